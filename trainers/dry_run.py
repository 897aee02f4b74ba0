"""What a run would do, in words, without doing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig

from trainers.arguments import DataArguments, ModelArguments, SftArguments
from trainers.encoder import IGNORED, Encoded, Encoder
from trainers.estimate import memory, parameter_counts, step_cost
from trainers.mixture import Mixture
from trainers.samples import SampleError

_READ_PER_SOURCE = 4
_GIB = 2**30


@dataclass
class _Lengths:
    tokens: float
    labels: float
    pictures: float


def describe(
    mixture: Mixture,
    processor: Any,
    data_args: DataArguments,
    model_args: ModelArguments,
    args: SftArguments,
) -> str:
    """Return the mixture, tokens, steps, FLOP, memory and a rendered sample."""
    config = AutoConfig.from_pretrained(
        model_args.model_name_or_path, revision=model_args.model_revision
    )
    encoder = Encoder(processor)
    lines = ["Mixture", ""]
    table = mixture.table()
    lengths: dict[str, _Lengths] = {}
    rendered = ""
    for number, (name, count) in enumerate(table.items()):
        found, text, failed = _read_some(mixture, number, encoder)
        rendered = rendered or text
        lengths[name] = found
        note = f", {failed} of {_READ_PER_SOURCE} read could not be" if failed else ""
        lines.append(
            f"  {name:28} {count:>9,} samples {found.tokens:>8,.0f} tokens "
            f"{found.labels:>6,.0f} learned{note}"
        )
    total = sum(table.values())
    mean = _Lengths(*(
        sum(count * getattr(lengths[name], field) for name, count in table.items()) / max(total, 1)
        for field in ("tokens", "labels", "pictures")
    ))  # fmt: skip
    lines += [
        f"  {'all':28} {total:>9,} samples {mean.tokens:>8,.0f} tokens "
        f"{mean.labels:>6,.0f} learned",
        "",
        *_steps(args, total),
        *_cost(config, mean, args, model_args),
        "",
        "A sample as the model is given it; [[ ]] is what it learns",
        "",
        rendered,
    ]
    return "\n".join(lines) + "\n"


def _read_some(mixture: Mixture, number: int, encoder: Encoder) -> tuple[_Lengths, str, int]:
    owner, _ = mixture.places
    own = (owner == number).nonzero()[0]
    picked = own[:: max(1, len(own) // _READ_PER_SOURCE)][:_READ_PER_SOURCE]
    encoded: list[Encoded] = []
    failed, text = 0, ""
    for place in picked:
        reference = mixture.neighbour({"source": number, "place": int(place)}, 0)
        assert reference is not None
        source, record, _ = mixture.where(reference)
        try:
            encoded.append(encoder(source.sample(record)))
        except SampleError:
            failed += 1
            continue
        text = text or render(encoded[-1], encoder)
    n = max(1, len(encoded))
    return (
        _Lengths(
            sum(len(e.input_ids) for e in encoded) / n,
            sum(int((e.labels != IGNORED).sum()) for e in encoded) / n,
            sum(sum(map(len, [*e.images, *e.videos])) for e in encoded) / n,
        ),
        text,
        failed,
    )


def render(encoded: Encoded, encoder: Encoder) -> str:
    """Return a sample's text, runs of visual tokens counted, the learned part in brackets."""
    text, learned = "", False
    start = 0
    labels = (encoded.labels != IGNORED).tolist()
    for end in range(1, len(labels) + 1):
        if end == len(labels) or labels[end] != labels[start]:
            piece = encoder.tokenizer.decode(encoded.input_ids[start:end])
            learned = labels[start]
            text += f"[[{piece}]]" if learned else piece
            start = end
    for token in (encoder.processor.image_token, encoder.processor.video_token):
        text = re.sub(
            f"(?:{re.escape(token)})+",
            lambda run, token=token: f"{token} x {len(run[0]) // len(token)}",
            text,
        )
    return text


def _steps(args: SftArguments, total: int) -> list[str]:
    batch = args.samples_per_step
    per_epoch = max(1, total // batch)
    schedule = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    steps = args.max_steps if args.max_steps > 0 else round(per_epoch * args.num_train_epochs)
    return [
        f"Steps: {steps:,} of {batch} samples ({args.world_size} processes x "
        f"{args.per_device_train_batch_size} x {args.gradient_accumulation_steps} accumulated), "
        f"{per_epoch:,} an epoch",
        f"Learning rate: {args.learning_rate:g}, {schedule}",
    ]


def _cost(config: Any, mean: _Lengths, args: SftArguments, model_args: ModelArguments) -> list[str]:
    counts = parameter_counts(config)
    checkpointing = bool(args.gradient_checkpointing)
    cost = step_cost(config, mean.tokens, mean.pictures, mean.labels, checkpointing=checkpointing)
    trained = _lora_parameters(config, model_args) if model_args.use_peft else None
    sharded = args.world_size if args.deepspeed_plugin or args.fsdp_plugin_args else 1
    needed = memory(
        config,
        tokens=mean.tokens,
        frames=mean.pictures,
        batch=args.per_device_train_batch_size,
        weight_bytes=2 if model_args.dtype in ("bfloat16", "float16") else 4,
        trained=trained,
        shards=sharded,
        checkpointing=checkpointing,
    )
    tuned = sum(counts.values()) if trained is None else trained
    return [
        f"Parameters: {sum(counts.values()) / 1e9:.3f} billion, {tuned / 1e9:.3f} tuned",
        f"FLOP a sample, forward and backward: {cost.model_flop / 1e12:,.3f} T (vision "
        f"{cost.vision / 1e12:,.3f}, language {cost.language / 1e12:,.3f}, head "
        f"{cost.head / 1e12:,.3f}); computed again {cost.recomputed / 1e12:,.3f} T",
        f"Memory of a device, about: {needed.total / _GIB:,.1f} GiB (weights "
        f"{needed.weights / _GIB:,.1f}, gradients {needed.gradients / _GIB:,.1f}, optimizer "
        f"{needed.optimizer / _GIB:,.1f}, activations {needed.activations / _GIB:,.1f})",
    ]


def _lora_parameters(config: Any, model_args: ModelArguments) -> int:
    text = config.text_config
    head = text.hidden_size // text.num_attention_heads
    kv = head * text.num_key_value_heads
    wide, mlp = text.hidden_size, text.intermediate_size
    sides = 2 * (wide + wide) + 2 * (wide + kv) + 3 * (wide + mlp)
    return int(model_args.lora_r * sides * text.num_hidden_layers)
