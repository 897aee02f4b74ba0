"""A tiny LLaVA-OneVision answers simulated questions with drawn boxes, end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MISSING = [n for n in ("torch", "transformers", "accelerate") if not importlib.util.find_spec(n)]
if MISSING:
    pytest.skip(
        f'needs {", ".join(MISSING)}: pip install ".[models]" in a clone of STKit',
        allow_module_level=True,
    )

import run_rows  # noqa: E402
import tiny_llava  # noqa: E402

from stkit_bench.cli import main  # noqa: E402
from stkit_bench.models.transformers_model import (  # noqa: E402
    TransformersConfig,
    TransformersModel,
)
from stkit_datasets.build import BuildConfig, build  # noqa: E402
from stkit_datasets.model_clients.base import ModelError, Request, Turn, VideoPart  # noqa: E402
from stkit_datasets.rows import RowConfig  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torchvision", reason="the video processor needs torchvision")
    return tiny_llava.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(tiny: Path) -> TransformersModel:
    return TransformersModel(TransformersConfig(str(tiny), batch_size=4, max_new_tokens=8))


def video(shade: int, n_frames: int = 3) -> VideoPart:
    times = tuple(0.5 * k for k in range(n_frames))
    return VideoPart(np.full((n_frames, 40, 60, 3), shade, np.uint8), times)


def request(name: str, shade: int, text: str = "How far?", n_frames: int = 3) -> Request:
    return Request(name, (Turn("user", (video(shade, n_frames), text)),))


def answers(model: TransformersModel, *requests: Request) -> list[str | None]:
    return [reply.text for reply in model.respond(model.prepare(requests))]


# --- what the model is given -----------------------------------------------------------------


def test_frames_reach_the_model_whole_and_in_order(model: TransformersModel) -> None:
    batch = model.prepare([request("a", 0), request("b", 255)])
    pixels = batch["pixel_values_videos"]
    assert tuple(pixels.shape) == (2, 3, 3, 56, 56)
    # The published preprocessor maps 0 to -1 and 255 to 1.
    assert pixels[0].min() == pixels[0].max() == -1
    assert pixels[1].min() == pixels[1].max() == 1
    text = model._processor.tokenizer.decode(batch["input_ids"][0])
    # 3 frames of 2 x 2 pooled patches, and one token that ends the video.
    assert text.count("<video>") == 3 * 4 + 1
    assert text.endswith("How far?<|im_end|>\n<|im_start|>assistant\n")


def test_pixels_are_made_in_the_precision_of_the_model(tiny: Path) -> None:
    half = TransformersModel(TransformersConfig(str(tiny), max_new_tokens=4, dtype="bfloat16"))
    whole = TransformersModel(TransformersConfig(str(tiny), max_new_tokens=4))
    shades = [request("a", 3), request("b", 200)]
    pixels = [model.prepare(shades)["pixel_values_videos"] for model in (half, whole)]
    assert str(pixels[0].dtype) == "torch.bfloat16"
    assert pixels[0].equal(pixels[1].to(pixels[0].dtype))


def test_every_frame_that_is_given_is_seen(model: TransformersModel) -> None:
    frames = np.stack([np.full((40, 60, 3), 10 * k, np.uint8) for k in range(20)])
    times = tuple(0.5 * k for k in range(20))
    turn = Turn("user", (VideoPart(frames, times), "How far?"))
    pixels = model.prepare([Request("a", (turn,))])["pixel_values_videos"][0]
    shades = (pixels.mean(dim=(1, 2, 3)) + 1) * 127.5
    assert shades.round().tolist() == [10.0 * k for k in range(20)]


def test_shorter_questions_are_padded_in_front(model: TransformersModel) -> None:
    batch = model.prepare([request("a", 9, "Hm?"), request("b", 9, "How far does it go?")])
    assert batch["attention_mask"][0].tolist()[:3] == [0, 0, 0]
    assert batch["attention_mask"][1].min() == 1


def test_an_answer_depends_on_its_own_question_alone(model: TransformersModel) -> None:
    asked = [request("a", 0), request("b", 120, "And how fast, then?"), request("c", 255)]
    together = answers(model, *asked)
    assert together == [answers(model, one)[0] for one in asked]
    assert len(set(together)) == 3


def test_examples_and_their_videos_are_given(model: TransformersModel) -> None:
    turns = (
        Turn("user", (video(0), "How far?")),
        Turn("assistant", ("It went 3 m.",)),
        Turn("user", (video(255), "How far?")),
    )
    batch = model.prepare([Request("a", turns)])
    assert [pixels.mean().item() for pixels in batch["pixel_values_videos"]] == [-1, 1]
    text = model._processor.tokenizer.decode(batch["input_ids"][0])
    assert text.count("<video>") == 2 * 13
    assert "It went 3 m.<|im_end|>" in text


def test_text_alone_is_answered_too(model: TransformersModel) -> None:
    (reply,) = model.respond(model.prepare([Request("a", (Turn("user", ("How far?",)),))]))
    assert reply.text is not None
    # A token a letter, and one for each of <|im_start|>, <|im_end|>, <|im_start|>.
    assert reply.input_tokens == len("user\nHow far?") + len("\nassistant\n") + 3


def test_tokens_and_the_end_are_counted(model: TransformersModel) -> None:
    batch = model.prepare([request("a", 0, "Hm?"), request("b", 0, "How far does it go?")])
    first, second = model.respond(batch)
    assert second.input_tokens == batch["input_ids"].shape[1]
    assert first.input_tokens == second.input_tokens - len("How far does it go?") + len("Hm?")
    for reply in (first, second):
        assert reply.output_tokens == 8 or reply.finish_reason == "stop"


def test_a_language_model_without_vision_answers_the_text(tmp_path: Path) -> None:
    tiny_llava.save_text_only(tmp_path / "words")
    rows = run_rows.write(tmp_path / "rows.parquet", "none", names=("a",))
    out = tmp_path / "a.jsonl"
    command = ["run", "--model", f"text:transformers:{tmp_path / 'words'}", "--data", str(rows)]
    more = ["--out", str(out), "--max-new-tokens", "4", "--no-progress"]
    assert main([*command, *more]) == 0
    found = lines(out)
    assert len(found) == 6
    assert all(line["frames_s"] == [] and line["response"] is not None for line in found)
    assert all(line["model"].endswith("(no video)") for line in found)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({"dtype": "int4"}, "dtype must be one of"), ({"batch_size": 0}, "batch_size must be")],
)
def test_settings_out_of_range_are_refused(settings: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        TransformersConfig("x", **settings)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the model cannot be loaded"):
        TransformersModel(TransformersConfig(str(tmp_path)))


# --- end to end ------------------------------------------------------------------------------


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(tiny: Path, rows: Path, out: Path, *more: str) -> list[str]:
    command = ["run", "--model", f"transformers:{tiny}", "--data", str(rows), "--out", str(out)]
    return [*command, "--max-new-tokens", "8", "--batch-size", "4", "--no-progress", *more]


def test_simulated_questions_are_answered_and_scored(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = {"n_validation_scenes": 2, "n_train_scenes": 0, "duration_s": 6.0}
    build(
        BuildConfig(
            source="simulation",
            data_dir=None,
            out=tmp_path / "rows",
            splits=("validation",),
            rows=RowConfig(video="overlay"),
            source_options={**scenes, "width_px": 320, "height_px": 180},
        ),
        progress=False,
    )
    out = tmp_path / "a.jsonl"
    assert main(asked(tiny, tmp_path / "rows", out, "--limit", "14")) == 0
    found = lines(out)
    assert len(found) == 14
    assert all(line["frames_s"] == [0.5 * k for k in range(12)] for line in found)
    assert len({line["response"] for line in found}) > 1
    assert {line["tokens"]["output"] for line in found} <= set(range(1, 9))
    told = json.loads((tmp_path / "a.run.json").read_text())["settings"]["model"]
    assert (told["dtype"], told["decoding"]) == ("float32", "greedy")
    assert main(["score", str(out), "--n-resamples", "0"]) == 0
    assert "not answered" not in capsys.readouterr().out


def test_batches_prepared_in_processes_give_the_answers_of_threads(
    tiny: Path, tmp_path: Path
) -> None:
    rows = run_rows.write(tmp_path / "rows.parquet")
    files = {place: tmp_path / f"{place}.jsonl" for place in ("auto", "processes", "threads")}
    for place, out in files.items():
        more = ["--max-frames", "2", "--dtype", "bfloat16", "--prepare-in", place]
        assert main(asked(tiny, rows, out, *more)) == 0
    found = {out.read_bytes() for out in files.values()}
    assert len(found) == 1
    assert len({line["response"] for line in lines(files["auto"])}) > 1


def test_two_processes_write_the_file_of_one(tiny: Path, tmp_path: Path) -> None:
    rows = run_rows.write(tmp_path / "rows.parquet")
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    assert main(asked(tiny, rows, alone, "--max-frames", "2")) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", "-m", "stkit_bench.cli"]
    ran = subprocess.run(
        [*command, *asked(tiny, rows, shared, "--max-frames", "2")],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "12 of 12 questions answered" in ran.stdout
    assert shared.read_bytes() == alone.read_bytes()
