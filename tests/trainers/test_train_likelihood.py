from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import needs_train
import pytest

needs_train.skip_if_missing()

import material  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402

from stkit_datasets.video.encode import decode_mp4  # noqa: E402
from trainers import likelihood  # noqa: E402
from trainers.mixture import Mixture  # noqa: E402
from trainers.sources import SourceConfig  # noqa: E402


def slowly(model: Any, processor: Any, row: dict[str, Any]) -> tuple[float, int]:
    """Token after token, each asked for by itself, with the processor's own call."""
    prompt = processor.apply_chat_template(row["messages"][:1], add_generation_prompt=True)
    frames = torch.from_numpy(decode_mp4(row["video"]["bytes"])).permute(0, 3, 1, 2)
    inputs = processor(text=[prompt], videos=[frames], do_sample_frames=False, return_tensors="pt")
    pixels, ids = inputs["pixel_values_videos"], inputs["input_ids"]
    answer = processor.tokenizer(row["answer"] + "<|im_end|>")["input_ids"]
    total = 0.0
    for token in answer:
        with torch.no_grad():
            logits = model(input_ids=ids, pixel_values_videos=pixels).logits[0, -1]
        total += math.log(torch.softmax(logits.double(), 0)[token].item())
        ids = torch.cat([ids, torch.tensor([[token]])], 1)
    return total, len(answer)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [material.row(k, n_frames) for k, n_frames in enumerate((4, 6, 5))]


def test_batches_give_what_one_token_at_a_time_gives(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    material.write_rows(tmp_path, rows)
    model, processor = tiny.model().eval(), tiny.processor()
    mixture = Mixture([SourceConfig("rows", str(tmp_path))], Path("."))
    found = list(likelihood.likelihoods(model, processor, mixture, batch_size=3, workers=0))
    assert [item.id for item in found] == [row["id"] for row in rows]
    for item, row in zip(found, rows, strict=True):
        total, n = slowly(model, processor, row)
        assert item.n_tokens == n
        assert item.sum_log_prob == pytest.approx(total, abs=1e-4)
        assert item.mean_log_prob == pytest.approx(total / n, abs=1e-5)


def test_the_command_goes_on_after_half_a_line(
    rows: list[dict[str, Any]], tmp_path: Path, tiny_model: Path
) -> None:
    broken = {**material.row(9), "video": {"bytes": b"none", "path": None}}
    material.write_rows(tmp_path / "rows", [*rows, broken])
    out = tmp_path / "found.jsonl"
    command = ["--model", str(tiny_model), "--rows", str(tmp_path / "rows"), "--out", str(out),
               "--workers", "0", "--cpu"]  # fmt: skip
    likelihood.main(command)
    lines = out.read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in rows]
    out.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])
    likelihood.main(command)
    assert out.read_text().splitlines() == lines
