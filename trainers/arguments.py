"""What a run is told, as dataclasses; a recipe is their fields in YAML.

``TrlParser`` refuses names that no dataclass has. What it lets pass is refused here: names given
twice, abbreviated options, and values of another type than their field's.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from trl import ModelConfig, SFTConfig, TrlParser

from trainers.collator import VISION
from trainers.sources import SourceConfig


@dataclass
class DataArguments:
    """The samples of a run.

    Attributes:
        sources: the mixture, a list of the fields of ``SourceConfig``.
        eval_sources: held-out samples whose loss is logged, in the same form.
        data_root: what the paths of sources are relative to.
        mixture_seed: which records of a source are taken.
        mixture_size: how many samples, where sources have weights.
        streaming: read sources front to back, without counting or indexing them first.
        max_frames: most frames of a video; more are sampled evenly.
        max_unreadable: the run stops when a process has met more unreadable samples than this.
        vision: how a batch without pictures is kept in step with others, see ``Collator``; ``auto``
            is ``both`` under DeepSpeed ZeRO-3, else ``any``.
    """

    sources: list[SourceConfig] = field(default_factory=list, metadata={"help": "The mixture."})
    eval_sources: list[SourceConfig] = field(
        default_factory=list, metadata={"help": "Held-out samples whose loss is logged."}
    )
    data_root: str = field(default=".", metadata={"help": "What paths of sources are relative to."})
    mixture_seed: int = field(default=0, metadata={"help": "Which records are taken."})
    mixture_size: int | None = field(default=None, metadata={"help": "Samples, with weights."})
    streaming: bool = field(default=False, metadata={"help": "Read sources front to back."})
    max_frames: int = field(default=32, metadata={"help": "Most frames of a video."})
    max_unreadable: int = field(
        default=100, metadata={"help": "Unreadable samples that a process puts up with."}
    )
    vision: str = field(
        default="auto", metadata={"help": "Masked pictures: auto, as_is, any or both."}
    )

    def __post_init__(self) -> None:
        self.sources = [_source(item) for item in self.sources]
        self.eval_sources = [_source(item) for item in self.eval_sources]
        if self.vision not in ("auto", *VISION):
            raise ValueError(
                f"vision must be auto or one of {', '.join(VISION)}, got {self.vision!r}"
            )


@dataclass
class ModelArguments(ModelConfig):
    """The model; adds to TRL's ``ModelConfig``.

    Attributes:
        from_config: take the configuration only, with random weights.
        train_vision_tower: whether the vision tower is tuned.
    """

    from_config: bool = field(default=False, metadata={"help": "Random weights."})
    train_vision_tower: bool = field(default=True, metadata={"help": "Tune the vision tower."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_name_or_path is None:
            raise ValueError("model_name_or_path is needed")


@dataclass
class BenchArguments:
    """Questions that the model answers during training, scored as ``stkit-bench`` scores them.

    Attributes:
        bench: Parquet file or folder of questions with video; None for no such evaluation.
        bench_limit: at most so many questions, the same ones every time.
        bench_steps: every so many steps, and at the end.
        bench_max_new_tokens: longest response.
        bench_wording: file of the sentences that the questions were built with, when not ours.
    """

    bench: str | None = field(default=None, metadata={"help": "Questions with video."})
    bench_limit: int | None = field(default=None, metadata={"help": "At most so many questions."})
    bench_steps: int = field(default=500, metadata={"help": "Every so many steps."})
    bench_max_new_tokens: int = field(default=64, metadata={"help": "Longest response."})
    bench_wording: str | None = field(default=None, metadata={"help": "Sentences of the bench."})


@dataclass
class SftArguments(SFTConfig):
    """The run; adds to TRL's ``SFTConfig`` and sets what our collator needs.

    Attributes:
        dry_run: print what would be trained, and on what, and start nothing.
        global_batch_size: samples of one optimizer step over all processes; sets
            ``gradient_accumulation_steps``, so that a run goes on alike on another number of them.
    """

    dry_run: bool = field(default=False, metadata={"help": "Print, and start nothing."})
    global_batch_size: int | None = field(
        default=None, metadata={"help": "Samples of one optimizer step over all processes."}
    )
    # Fields of SFTConfig with another default; see FIXED for those that must not be changed.
    max_length: int | None = field(default=None, metadata={"help": "Must stay unset."})
    remove_unused_columns: bool | None = field(default=False, metadata={"help": "Must stay false."})

    def __post_init__(self) -> None:
        self.dataset_kwargs = {**(self.dataset_kwargs or {}), "skip_prepare_dataset": True}
        if self.ddp_find_unused_parameters is None:
            # Every batch reaches all that is tuned, see `vision` and `freeze_unreached`.
            self.ddp_find_unused_parameters = False
        super().__post_init__()
        for name, value in FIXED.items():
            if getattr(self, name) != value:
                raise ValueError(f"{name} must be {value} here, got {getattr(self, name)!r}")
        if self.global_batch_size is not None:
            at_once = self.per_device_train_batch_size * self.world_size
            if self.global_batch_size % at_once:
                raise ValueError(
                    f"global_batch_size {self.global_batch_size} is no multiple of "
                    f"per_device_train_batch_size times processes, {at_once}"
                )
            self.gradient_accumulation_steps = self.global_batch_size // at_once

    @property
    def samples_per_step(self) -> int:
        """Samples of one optimizer step over all processes, each with one GPU or none."""
        per_process = self.per_device_train_batch_size * self.gradient_accumulation_steps
        return int(per_process * self.world_size)


FIXED = {
    "max_length": None,  # visual tokens are never truncated
    "packing": False,
    "padding_free": False,
    "remove_unused_columns": False,  # the collator reads columns that no model knows
    "assistant_only_loss": False,  # the mask of the template is all zero here
    "loss_type": "nll",
}
"""Settings of ``SFTConfig`` under which the collator or the loss would silently be wrong."""

Parsed = tuple[DataArguments, ModelArguments, BenchArguments, SftArguments]
_GROUPS = (DataArguments, ModelArguments, BenchArguments, SftArguments)


def parse(arguments: Sequence[str] | None = None) -> Parsed:
    """Read the command line and the recipe that ``--config`` names.

    Raises:
        ValueError: a name or a value is wrong; the message names it.
        SystemExit: a value on the command line is of the wrong type.
    """
    listed = list(sys.argv[1:] if arguments is None else arguments)
    for number, word in enumerate(listed):
        if word.startswith("--config="):
            listed[number : number + 1] = ["--config", word.removeprefix("--config=")]
    if "--config" in listed[:-1]:
        check_recipe(Path(listed[listed.index("--config") + 1]))
    parser = TrlParser(_GROUPS, allow_abbrev=False)
    parsed: Parsed = parser.parse_args_and_config(listed)
    return parsed


def check_recipe(path: Path) -> dict[str, Any]:
    """Check the names and the types of a recipe, and return it.

    Raises:
        ValueError: a key is unknown or given twice, or a value is of another type; names it.
    """
    try:
        recipe = _Strict(path.read_text(encoding="utf-8")).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(recipe, dict):
        raise ValueError(f"{path}: a recipe is a mapping of names to values")
    known = {name: kind for group in _GROUPS for name, kind in typing.get_type_hints(group).items()
             if name in {f.name for f in fields(group)}}  # fmt: skip
    unknown = [str(key) for key in recipe if key not in known and key != "env"]
    if unknown:
        raise ValueError(f"{path}: no such setting: {', '.join(unknown)}")
    for name, value in recipe.items():
        if name in ("sources", "eval_sources"):
            for item in value:
                _source(item, f"{path}: ")
        elif name != "env" and not _fits(value, known[name]):
            raise ValueError(f"{path}: {name} is {value!r}, expected {_words(known[name])}")
    return recipe


def _source(item: Any, where: str = "") -> SourceConfig:
    if isinstance(item, SourceConfig):
        return item
    if not isinstance(item, dict):
        raise ValueError(f"{where}a source is a mapping of its settings, got {item!r}")
    hints = typing.get_type_hints(SourceConfig)
    name = item.get("name", "?")
    for key, value in item.items():
        if key not in hints:
            raise ValueError(f"{where}source {name!r}: no such setting: {key}")
        if not _fits(value, hints[key]):
            expected = _words(hints[key])
            raise ValueError(f"{where}source {name!r}: {key} is {value!r}, expected {expected}")
    missing = [key for key in ("name", "path") if key not in item]
    if missing:
        raise ValueError(f"{where}source {name!r}: {' and '.join(missing)} is needed")
    return SourceConfig(**item)


def _fits(value: Any, kind: Any) -> bool:
    """Tell whether a value of YAML can be read as a type; unknown types take anything."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if kind is type(None):
        return value is None
    if origin is list or kind is list:
        return isinstance(value, list) and all(
            _fits(v, inside[0] if inside else Any) for v in value
        )
    if origin is dict or kind is dict:
        return isinstance(value, dict)
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        # YAML reads 1e-5 as text.
        return not isinstance(value, bool) and _is_number(value)
    if kind is str:
        return isinstance(value, str)
    return True


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _words(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind).replace("NoneType", "null")


class _Strict(yaml.SafeLoader):
    """A loader that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, checked for repeated keys."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
