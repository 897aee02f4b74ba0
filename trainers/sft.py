"""Tune LLaVA-OneVision on questions about motion, with general data mixed in.

    accelerate launch --config_file trainers/accelerate/fsdp2_8gpu.yaml \
        trainers/sft.py --config trainers/recipes/st_vlm_7b_p2.yaml

Any setting of the recipe can be given on the command line too; ``--dry_run`` prints what would be
trained and starts nothing; ``--resume_from_checkpoint last`` goes on from the last whole one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    # Started by its file name: what is imported lies below the repository, not beside this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from trl import get_peft_config, get_quantization_config

from trainers import checkpoints, push, training_facts
from trainers.arguments import DataArguments, ModelArguments, SftArguments, parse
from trainers.collator import Collator
from trainers.dry_run import describe
from trainers.encoder import Encoder, tokens_per_frame
from trainers.evaluation import BenchCallback
from trainers.mixture import Mixture, stream
from trainers.trainer import StVlmTrainer

logger = logging.getLogger("trainers.sft")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one training, or describe it."""
    data_args, model_args, bench_args, training_args = parse(arguments)
    logging.basicConfig(level=logging.INFO if training_args.should_log else logging.WARNING)

    # Data
    processor = AutoProcessor.from_pretrained(
        model_args.model_name_or_path, revision=model_args.model_revision
    )
    mixture = Mixture(
        data_args.sources,
        Path(data_args.data_root),
        seed=data_args.mixture_seed,
        max_frames=data_args.max_frames,
        size=data_args.mixture_size,
    )
    if training_args.dry_run:
        sys.stdout.write(describe(mixture, processor, data_args, model_args, training_args))
        return
    to_hub = push.from_settings(training_args)
    resume_from = find_checkpoint(training_args)
    with training_args.main_process_first(desc="finding the samples"):
        if not data_args.streaming:
            mixture.prepare()
            write_held_out(mixture, training_args)
    train_dataset = as_dataset(mixture, processor, data_args, training_args, resume_from)
    eval_dataset = None
    mixtures = [mixture]
    if data_args.eval_sources:
        mixtures.append(Mixture(data_args.eval_sources, Path(data_args.data_root),
                                max_frames=data_args.max_frames))  # fmt: skip
        eval_dataset = references(mixtures[1], part=1)
    collator = Collator(
        mixtures,
        Encoder(processor, torch.bfloat16 if training_args.bf16 else torch.float32),
        vision=vision_mode(data_args, training_args),
        max_unreadable=data_args.max_unreadable,
        log_file=Path(training_args.output_dir) / "unreadable.jsonl",
    )

    # Model
    model = load_model(model_args)
    if not model_args.train_vision_tower:
        model.model.vision_tower.requires_grad_(False)
    facts = None
    if training_args.should_save:
        facts = training_facts.gather(mixture, data_args, model_args, training_args)
        if to_hub is not None:
            push.check_before_training(facts, model_args)

    # Training
    trainer = StVlmTrainer(
        model=model,
        args=training_args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        data_collator=collator,
        processing_class=processor,
        peft_config=get_peft_config(model_args),
    )
    if bench_args.bench is not None:
        trainer.add_callback(BenchCallback(trainer, bench_args, data_args.max_frames))
    trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))

    # The result, loadable by ``from_pretrained``
    trainer.save_model()
    trainer.save_state()
    if facts is not None:
        training_facts.write(facts, trainer.state, training_args)
    trainer.accelerator.wait_for_everyone()
    is_first = trainer.is_world_process_zero()
    trainer.accelerator.end_training()
    if to_hub is not None and is_first:
        # The other processes have gone: none waits for an upload until its time is up.
        logger.info("published at %s", push.push(to_hub))


def references(mixture: Mixture, part: int = 0, **columns: Any) -> Dataset:
    """Return the references of a mixture; nothing is decoded yet."""
    owner, row = mixture.places
    n = len(owner)
    numbers = {"source": owner, "row": row, "place": np.arange(n), "part": np.full(n, part)}
    return Dataset.from_dict({**numbers, **columns})


def write_held_out(mixture: Mixture, args: SftArguments) -> None:
    """Write the ids that sources hold out, so that a test can ask exactly these."""
    ids = mixture.held_out_ids()
    if ids and args.should_save:
        Path(args.output_dir).mkdir(parents=True, exist_ok=True)
        listed = "".join(f"{name}\n" for name in ids)
        (Path(args.output_dir) / "held_out_ids.txt").write_text(listed, encoding="utf-8")


def as_dataset(
    mixture: Mixture,
    processor: Any,
    data_args: DataArguments,
    args: SftArguments,
    resume_from: Path | None,
) -> Dataset | IterableDataset:
    """Return what is trained on, with lengths where samples are grouped by them."""
    if not data_args.streaming and args.train_sampling_strategy == "group_by_length":
        lengths = mixture.lengths(tokens_per_frame(processor))
        return references(mixture, **{args.length_column_name: lengths})
    if not data_args.streaming:
        return references(mixture)
    n_shards = args.world_size * max(1, args.dataloader_num_workers)
    seen = 0
    if resume_from is not None:
        # The stream goes on where it was; skipping batch by batch would decode all of them.
        per_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        seen = checkpoints.global_step(resume_from) * per_step
        args.ignore_data_skip = True
    settings = {"mixture": mixture, "n_shards": n_shards, "skip": seen}
    return IterableDataset.from_generator(
        stream, gen_kwargs={**settings, "shards": list(range(n_shards))}
    )


def load_model(model_args: ModelArguments) -> Any:
    """Return the model, from its weights or with random ones."""
    name, revision = model_args.model_name_or_path, model_args.model_revision
    dtype = getattr(torch, model_args.dtype or "float32")
    if model_args.from_config:
        config = AutoConfig.from_pretrained(name, revision=revision)
        return AutoModelForImageTextToText.from_config(
            config, dtype=dtype, attn_implementation=model_args.attn_implementation
        )
    return AutoModelForImageTextToText.from_pretrained(
        name,
        revision=revision,
        dtype=dtype,
        attn_implementation=model_args.attn_implementation,
        quantization_config=get_quantization_config(model_args),
    )


def vision_mode(data_args: DataArguments, args: SftArguments) -> str:
    """Return how batches without pictures are kept in step with others."""
    if data_args.vision != "auto":
        return data_args.vision
    plugin = args.deepspeed_plugin
    return "both" if plugin is not None and plugin.zero_stage == 3 else "any"


def find_checkpoint(args: SftArguments) -> Path | None:
    """Return the checkpoint to go on from: the one named, the last whole one, or none."""
    named = args.resume_from_checkpoint
    if named is None:
        return None
    if named != "last":
        if not checkpoints.is_whole(Path(named)):
            raise ValueError(f"{named} is not a whole checkpoint")
        return Path(named)
    found = checkpoints.last_whole(Path(args.output_dir))
    logger.info("going on from %s", found or "the beginning: no whole checkpoint")
    return found


if __name__ == "__main__":
    main()
