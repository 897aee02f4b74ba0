"""How fast workers feed training, and what a step of the 7B model costs.

Run: python benchmarks/bench_input_pipeline.py [--seconds 8] [--workers 2]

Rows of STKit are made with videos of 854 x 480 (20 s at 2 frames a second, H.264 as the builder
writes it); each sample is decoded, brought to 32 frames, its prompt written anew, scaled to 384 px
and padded into a batch, as in training at the published size. Mark: 4 samples a second by a pair of
workers. The cost of a step is counted on the configuration of llava-onevision-qwen2-7b, no weight
being allocated: by our formulas, and operation by operation by torch's counter on the meta device.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import statistics
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "trainers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import material
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText

from stkit_datasets.video.encode import encode_mp4
from trainers import estimate, small_model
from trainers.collator import Collator
from trainers.encoder import IGNORED, Encoder
from trainers.mixture import Mixture
from trainers.sources import SourceConfig

WIDTH, HEIGHT, FRAMES = 854, 480, 40
PUBLISHED = small_model.Size(
    image_px=384, vision=(32, 64, 1, 4), text=(64, 128, 1, 4), kv_heads=2
)  # only the processor of this size is used


def street(seed: int) -> Any:
    """Frames with texture, edges and motion, so that they cost what real ones cost to decode."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), dtype=np.uint8)
    wide = np.kron(wide, np.ones((8, 8, 1), np.uint8)).astype(np.uint8)
    grain = rng.integers(0, 4, (FRAMES, HEIGHT, WIDTH, 1), dtype=np.uint8)
    moved = np.stack([wide[:HEIGHT, 6 * k : 6 * k + WIDTH] for k in range(FRAMES)])
    return np.clip(moved // 2 + 60 + grain, 0, 255).astype(np.uint8)


def write_rows(folder: Path, n: int) -> tuple[Mixture, float]:
    """Write rows, and return them with the mean size of a video in kB."""
    rows = []
    for k in range(n):
        mp4 = encode_mp4(street(k), Fraction(2))
        video = {"bytes": mp4, "path": None}
        rows.append(material.row(k, FRAMES, video=video, width=WIDTH, height=HEIGHT))
    material.write_rows(folder, rows)
    size = statistics.mean(len(row["video"]["bytes"]) for row in rows) / 1000
    source = SourceConfig("rows", str(folder), count=400, if_short="repeat")
    return Mixture([source], Path("."), max_frames=32), size


def references(mixture: Mixture) -> list[dict[str, int]]:
    """Return what the collator takes."""
    owner, row = mixture.places
    return [{"source": int(o), "row": int(r)} for o, r in zip(owner, row, strict=True)]


def fed(collator: Collator, listed: list[dict[str, int]], workers: int, seconds: float) -> float:
    """Samples a second that come out of the workers, after the first batches."""
    loader = DataLoader(
        listed,
        batch_size=1,
        num_workers=workers,
        collate_fn=collator,
        prefetch_factor=2,
        worker_init_fn=lambda _: torch.set_num_threads(1),
    )
    batches = iter(loader)
    for _ in range(2 * workers):
        next(batches)
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(batches)
        n += 1
    return n / (time.perf_counter() - start)


def profile(collator: Collator, listed: list[dict[str, int]], n: int) -> None:
    """Print where the time of one worker goes."""
    torch.set_num_threads(1)
    profiler = cProfile.Profile()
    start = time.process_time()
    profiler.enable()
    for reference in listed[:n]:
        collator([reference])
    profiler.disable()
    seconds = (time.process_time() - start) / n
    print(f"one worker: {seconds:.3f} s of CPU a sample, so a pair with a core each feeds "
          f"{2 / seconds:.1f} samples/s (mark: 4); wall time, of which")  # fmt: skip
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for wanted, label in (
        ("_stkit", "decoding and the prompt"),
        ("decode_bytes", "  decoding"),
        ("_videos", "scaling and normalising"),
        ("pad", "padding into a batch"),
        ("parts", "chat template"),
    ):
        spent = sum(v[3] for (file, _, name), v in stats.items()
                    if name == wanted and "trainers" in file)  # fmt: skip
        print(f"  {label:26} {spent / n:6.3f} s")


def step_of_7b(tokens: int, labels: int) -> None:
    """Print what a step of the 7B configuration costs, by formulas and counted."""
    config = estimate.config_7b()
    counts = estimate.parameter_counts(config)
    print(f"\n7B configuration: {sum(counts.values()) / 1e9:.3f} billion parameters")
    cost = estimate.step_cost(config, tokens, 32, labels)
    print(f"a sample of 32 frames, {tokens} tokens, {labels} learned, forward and backward:")
    print(f"  formulas   {cost.model_flop / 1e12:7.1f} TFLOP (vision {cost.vision / 1e12:.1f}, "
          f"language {cost.language / 1e12:.1f}, head {cost.head / 1e12:.2f})")  # fmt: skip
    whole = estimate.step_cost(config, tokens, 32, tokens)
    print(f"  a head over all positions would add {(whole.head - cost.head) / 1e12:.1f} TFLOP and "
          f"{tokens * config.text_config.vocab_size * 4 / 2**30:.1f} GiB of logits")  # fmt: skip
    print(f"  counted    {counted(config, tokens):7.1f} TFLOP by torch, without the head")
    print("  at 989 TFLOP/s in half precision and an MFU of 50 %: "
          f"{cost.model_flop / 1e12 / 989 / 0.5:.2f} s a sample")  # fmt: skip


def counted(config: Any, tokens: int) -> float:
    """Count the operations of a step on the meta device, in TFLOP."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16).model
        frames = torch.empty(32, 3, 384, 384, dtype=torch.bfloat16)
        embedded = torch.empty(1, tokens, config.text_config.hidden_size, dtype=torch.bfloat16,
                               requires_grad=True)  # fmt: skip
        with FlopCounterMode(display=False) as counter:
            features = model.vision_tower(frames).last_hidden_state
            seen = model.multi_modal_projector(features).sum()
            mask = {"full_attention": None}  # causal, and no tensor that would need a value
            out = model.language_model(
                inputs_embeds=embedded, attention_mask=mask, use_cache=False
            ).last_hidden_state
            (out.sum() + seen).backward()
    return counter.get_total_flops() / 1e12


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=6)
    asked = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}, torch {torch.__version__}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        mixture, size_kb = write_rows(Path(folder), asked.rows)
        listed = references(mixture)
        collator = Collator([mixture], Encoder(small_model.processor(PUBLISHED), torch.bfloat16))
        batch = collator(listed[:1])
        tokens = int(batch["attention_mask"].sum())
        print(
            f"videos of {WIDTH} x {HEIGHT}, {FRAMES} frames, {size_kb:.0f} kB; "
            f"{batch['pixel_values_videos'].shape[1]} frames, {tokens} tokens a sample"
        )
        profile(collator, listed, 6)
        rate = fed(collator, listed, asked.workers, asked.seconds)
        print(f"{asked.workers} workers feed {rate:.2f} samples/s beside all else that runs here")
    learned = int((batch["labels"] != IGNORED).sum())
    step_of_7b(tokens, learned)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
