"""What gradient checkpointing and grouping by length change, on a CPU.

Run: PYTHONPATH=tests/cpu_torchvision python benchmarks/bench_training_options.py

Checkpointing: a step (forward and backward) of a LLaVA-OneVision of 29 million parameters with
random weights, two clips of 32 frames; each setting in a process of its own, which tells the time
of a step, what is kept for the backward pass, and by how much its memory grows at most. The two
settings are the ratio that counts: the kept activations of a larger model shrink alike.

Grouping: the samples of a mixture, a third of text alone and the rest clips of 4 to 32 frames, in
batches of 8, in the order of :class:`trainers.trainer.EpochSampler` with and without lengths; a
forward and backward pass of the small model over all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from trainers import small_model
from trainers.collator import Collator
from trainers.encoder import IGNORED, Encoded, Encoder, tokens_per_frame
from trainers.trainer import EpochSampler, freeze_unreached, with_labels_only

MIDDLE = small_model.Size(image_px=112, vision=(256, 768, 4, 4), text=(512, 1536, 8, 8), kv_heads=4)
WORDS, LEARNED = 150, 20
BATCH = 8


def sample(processor: Any, n_frames: int, n_words: int, rng: np.random.Generator) -> Encoded:
    """Return a sample with random pixels and words, as the encoder would."""
    visual = n_frames * tokens_per_frame(processor) + 1 if n_frames else 0
    place = processor.tokenizer.convert_tokens_to_ids("<video>")
    words = torch.from_numpy(rng.integers(0, 200, n_words + LEARNED))
    ids = torch.cat([torch.full((visual,), place), words])
    labels = ids.clone()
    labels[:-LEARNED] = IGNORED
    side = processor.video_processor.size["height"]
    clip = torch.from_numpy(rng.standard_normal((n_frames, 3, side, side), np.float32))
    return Encoded(ids, labels, [], [], [clip] if n_frames else [])


def step(model: Any, batch: dict[str, Any]) -> None:
    """Go forward and back."""
    loss = model(**with_labels_only(batch), use_cache=False).loss
    loss.backward()
    model.zero_grad()


def checkpointing(used: bool) -> None:
    """Print what a step takes; in a process of its own."""
    processor = small_model.processor(MIDDLE)
    model = small_model.model(MIDDLE).train()
    freeze_unreached(model)
    if used:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    rng = np.random.default_rng(0)
    rows = [sample(processor, 32, WORDS, rng) for _ in range(2)]
    batch = Collator([], Encoder(processor)).pad(rows)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**with_labels_only(batch), use_cache=False).loss
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved = sum(size for place, size in kept.items() if place not in weights)
    kept.clear()
    del loss
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        step(model, batch)
        seconds.append(time.perf_counter() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told = {
        "parameters": model.num_parameters(),
        "seconds": min(seconds),
        "kept_mb": saved / 1e6,
        "grown_mb": grown / 1e3,
    }
    print(json.dumps(told))


def in_its_own_process(used: bool) -> dict[str, float]:
    """Run :func:`checkpointing` apart, so that memory is its own."""
    asked = [sys.executable, __file__, "--only", "on" if used else "off"]
    out = subprocess.run(asked, check=True, capture_output=True, text=True, env=os.environ).stdout
    told: dict[str, float] = json.loads(out.splitlines()[-1])
    return told


def grouping(n: int) -> None:
    """Print what grouping by length saves."""
    size = small_model.SIZES["small"]
    processor = small_model.processor(size)
    model = small_model.model(size).train()
    freeze_unreached(model)
    rng = np.random.default_rng(1)
    frames = np.where(rng.random(n) < 1 / 3, 0, rng.integers(4, 33, n))
    words = rng.integers(60, 260, n)
    rows = [sample(processor, int(f), int(w), rng) for f, w in zip(frames, words, strict=True)]
    lengths = np.array([len(row.input_ids) for row in rows])
    collator = Collator([], Encoder(processor))
    found = {}
    for name, given in (("in random order", None), ("grouped", lengths)):
        order = list(EpochSampler(n, BATCH, 0, given))
        batches = [order[k : k + BATCH] for k in range(0, n, BATCH)]
        cells = sum(len(batch) * max(lengths[batch]) for batch in batches)
        padded = [collator.pad([rows[k] for k in batch]) for batch in batches]
        step(model, padded[0])
        start = time.perf_counter()
        for batch in padded:
            step(model, batch)
        found[name] = time.perf_counter() - start
        print(
            f"  {name:16s} {found[name]:6.1f} s, {n / found[name]:5.1f} samples/s, "
            f"{100 * (1 - lengths.sum() / cells):.0f} % of the tokens are padding"
        )
    print(f"  grouped is {found['in random order'] / found['grouped']:.2f} times as fast")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["on", "off"], help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=160)
    asked = parser.parse_args()
    if asked.only:
        checkpointing(asked.only == "on")
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
          f"torch {torch.__version__}")  # fmt: skip
    off, on = in_its_own_process(False), in_its_own_process(True)
    print(f"gradient checkpointing, {off['parameters'] / 1e6:.0f} million parameters:")
    for name, told in (("off", off), ("on", on)):
        print(
            f"  {name:4s} {told['seconds']:6.2f} s a step, {told['kept_mb']:7.0f} MB kept for the "
            f"backward pass, memory grows by {told['grown_mb']:.0f} MB"
        )
    print(
        f"  kept {off['kept_mb'] / on['kept_mb']:.1f} times less for "
        f"{100 * (on['seconds'] / off['seconds'] - 1):+.0f} % time"
    )
    print(f"grouping by length, batches of {BATCH}:")
    grouping(asked.samples // BATCH * BATCH)


if __name__ == "__main__":
    main()
