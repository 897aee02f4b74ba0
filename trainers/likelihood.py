"""How likely a model finds the answers of rows: the third filter of pseudo-labels [P1 3.3].

    python trainers/likelihood.py --model runs/labelled_only --rows data/pseudo/bdd100k \
        --out likelihoods.jsonl

A line of the output is a row's ``id`` with ``sum_log_prob`` and ``mean_log_prob`` (natural
logarithms) over ``n_tokens`` of the answer and its end. A file that is there already is gone on
with. Under ``accelerate launch`` every process takes its share and writes a file of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    # Started by its file name: what is imported lies below the repository, not beside this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch.utils.data import DataLoader

from trainers.collator import Collator
from trainers.encoder import IGNORED, Encoded, Encoder
from trainers.mixture import Mixture
from trainers.samples import SampleError
from trainers.sources import SourceConfig
from trainers.trainer import with_labels_only

logger = logging.getLogger("trainers.likelihood")


@dataclass(frozen=True)
class Likelihood:
    """How likely one answer is.

    Attributes:
        id: of the row.
        sum_log_prob: of all tokens of the answer.
        mean_log_prob: of a token; what answers of different length are compared by.
        n_tokens: of the answer, the end of its turn included.
    """

    id: str
    sum_log_prob: float
    mean_log_prob: float
    n_tokens: int


def answer_likelihoods(
    model: Any, batch: Mapping[str, torch.Tensor]
) -> tuple[list[float], list[int]]:
    """Return the sum of the log-probabilities of each row's labels, and their number.

    Args:
        model: in evaluation mode.
        batch: of a ``Collator``, with ``labels``.
    """
    inputs = with_labels_only(dict(batch))
    labels = inputs.pop("labels")
    inputs.pop("shift_labels")
    with torch.inference_mode():
        logits = model(**inputs, use_cache=False).logits.float()
    learned = labels != IGNORED
    picked = logits.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    log_probs = (picked - logits.logsumexp(-1)).masked_fill(~learned, 0.0)
    return log_probs.sum(-1).tolist(), learned.sum(-1).tolist()


def likelihoods(
    model: Any,
    processor: Any,
    rows: Mixture,
    *,
    batch_size: int = 4,
    workers: int = 2,
    leave_out: Iterable[str] = (),
    share: tuple[int, int] = (0, 1),
) -> Iterator[Likelihood]:
    """Yield the likelihood of every row's answer; rows that cannot be read are logged.

    Args:
        model: where it computes, in evaluation mode.
        processor: its own.
        rows: one source or several.
        batch_size: rows at once.
        workers: processes that decode ahead.
        leave_out: ids that are known already.
        share: number of this process, and of all that share the rows.
    """
    collator = Collator([rows], Encoder(processor, model.dtype), vision="as_is")
    known = set(leave_out)
    dataset = _Rows(rows, share, collator.encoder)
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=list)
    for listed in loader:
        read = [item for item in listed if item is not None and item[0] not in known]
        if not read:
            continue
        batch = collator.pad([encoded for _, encoded in read])
        on_device = {name: value.to(model.device) for name, value in batch.items()}
        sums, counts = answer_likelihoods(model, on_device)
        for (name, _), total, n in zip(read, sums, counts, strict=True):
            yield Likelihood(name, total, total / n, n)


class _Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, rows: Mixture, share: tuple[int, int], encoder: Encoder) -> None:
        rows.prepare()
        self.rows, self.encoder = rows, encoder
        self.places = range(share[0], len(rows), share[1])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[str, Encoded] | None:
        owner, row = self.rows.places
        place = self.places[number]
        reference = {"source": int(owner[place]), "row": int(row[place])}
        source, record, name = self.rows.where(reference)
        try:
            return name.partition("/")[2], self.encoder(source.sample(record))
        except SampleError as error:
            logger.warning("skipped %s: %s", name, error)
            return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the rows of one source."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO)
    from accelerate import PartialState
    from transformers import AutoModelForImageTextToText, AutoProcessor

    state = PartialState(cpu=asked.cpu)
    dtype = torch.float32 if state.device.type == "cpu" else torch.bfloat16
    model = AutoModelForImageTextToText.from_pretrained(asked.model, dtype=dtype)
    model = model.to(state.device).eval()
    processor = AutoProcessor.from_pretrained(asked.model)
    source = SourceConfig("rows", str(asked.rows), asked.format, config=asked.config,
                          split=asked.split, media=asked.media, wording=asked.wording)  # fmt: skip
    rows = Mixture([source], Path("."), max_frames=asked.max_frames)
    out = asked.out
    if state.num_processes > 1:
        out = out.with_name(f"{out.stem}-{state.process_index:05d}{out.suffix}")
    known = _known(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        for found in likelihoods(
            model,
            processor,
            rows,
            batch_size=asked.batch_size,
            workers=asked.workers,
            leave_out=known,
            share=(state.process_index, state.num_processes),
        ):
            file.write(json.dumps(asdict(found), allow_nan=False) + "\n")
            file.flush()


def _known(out: Path) -> set[str]:
    """Return the ids of whole lines; half a line that a kill left is cut off."""
    if not out.exists():
        return set()
    text = out.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole, encoding="utf-8")
    return {json.loads(line)["id"] for line in whole.splitlines()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Score how likely a model finds the answers of rows."
    )
    parser.add_argument("--model", required=True, help="folder, or name on the Hub")
    parser.add_argument("--rows", type=Path, required=True, help="folder of rows")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines, gone on with")
    parser.add_argument("--format", default="stkit", help="form of the rows (default: stkit)")
    parser.add_argument("--config", help="the configuration, where there are several")
    parser.add_argument("--split", default="train", help="default: train")
    parser.add_argument("--media", help="folder of images and videos, where they lie beside")
    parser.add_argument("--wording", help="sentences that the rows were built with, when not ours")
    parser.add_argument("--max-frames", type=int, default=32, help="of a video (default: 32)")
    parser.add_argument("--batch-size", type=int, default=4, help="rows at once (default: 4)")
    parser.add_argument("--workers", type=int, default=2, help="decoding ahead (default: 2)")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    return parser


if __name__ == "__main__":
    main()
