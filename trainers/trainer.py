"""TRL's SFTTrainer with what LLaVA-OneVision needs on top; every piece cures a silent fault.

- The loss is the model's own over the positions that have a label, and the head computes no others.
  The fused head of SFTTrainer leaves the gradients of ``lm_head`` unreduced under FSDP2.
- Checkpoints are written under the names that a resumed run loads: the legacy names that
  ``save_pretrained`` writes otherwise are skipped without an error.
- Parameters that the loss never reaches are frozen: a resumed run under FSDP2 stumbles over them.
- The order of the samples depends on the seed, the epoch and the global batch, not on how many
  processes share it; a resumed run of several processes would start again with the first epoch's.
- A checkpoint appears under its name only when it is whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import is_peft_model
from torch import Tensor, nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints
from trl import SFTTrainer

from trainers.checkpoints import mark_whole

logger = logging.getLogger(__name__)

_UNREACHED = ("vision_tower.post_layernorm.", "vision_tower.head.")
_IGNORED = -100


class StVlmTrainer(SFTTrainer):
    """See the module; the arguments are those of ``SFTTrainer``."""

    def __init__(self, model: nn.Module, **kwargs: Any) -> None:
        freeze_unreached(model)
        super().__init__(model=model, **kwargs)
        # The loss of the model counts `num_items_in_batch`, the labels of the whole global batch.
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the mean negative log-likelihood of the labels, as ``Trainer`` does."""
        inputs = with_labels_only(inputs)
        inputs["use_cache"] = False
        return Trainer.compute_loss(
            self,
            model,
            inputs,
            return_outputs=return_outputs,
            num_items_in_batch=num_items_in_batch,
        )

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor, None, None]:
        """Return the loss of an evaluation batch; logits are not kept."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = self.compute_loss(model, inputs)
        return loss.detach(), None, None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if not hasattr(dataset, "__len__"):
            return None
        lengths = None
        if self.args.train_sampling_strategy == "group_by_length":
            lengths = np.asarray(dataset[self.args.length_column_name])
        return EpochSampler(
            len(dataset),
            self.global_batch_size,
            self.args.seed,
            lengths,
            steps_done=lambda: int(self.state.global_step),
        )

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int] | None:
        return SequentialSampler(eval_dataset)

    @property
    def global_batch_size(self) -> int:
        """Samples of one optimizer step, over all processes."""
        per_process = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return int(per_process * self.accelerator.num_processes)

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        if is_peft_model(model):
            super()._save(output_dir, state_dict)
            return
        save = model.save_pretrained

        def save_under_current_names(*args: Any, **kwargs: Any) -> Any:
            return save(*args, **{**kwargs, "save_original_format": False})

        model.save_pretrained = save_under_current_names
        try:
            super()._save(output_dir, state_dict)
        finally:
            del model.save_pretrained

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        # Older checkpoints go only after this one is whole.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_whole(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
            rotate_checkpoints(
                self.args.output_dir, limit, self.state.best_model_checkpoint, use_mtime=True
            )
        self.accelerator.wait_for_everyone()

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        missing = set(load_result.missing_keys) - set(getattr(self.model, "_tied_weights_keys", ()))
        if missing or load_result.unexpected_keys:
            raise ValueError(
                "the checkpoint's weights do not fit the model: "
                f"missing {sorted(missing)[:5]}, unexpected {load_result.unexpected_keys[:5]}"
            )

    def _send_telemetry(self) -> None:
        """Send nothing: training here tells nobody."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model; under FSDP its whole weights, also where checkpoints are sharded."""
        sharded = self.is_fsdp_enabled and "FULL_STATE_DICT" not in str(
            self.accelerator.state.fsdp_plugin.state_dict_type
        )
        if sharded and not _internal_call:
            self._save(output_dir, self.accelerator.get_state_dict(self.model_wrapped))
        else:
            super().save_model(output_dir, _internal_call)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no card: the one of TRL names another task and no licence; see ``push.py``."""


class EpochSampler(Sampler[int]):
    """A shuffled order that any number of processes share.

    An epoch is a whole number of global batches; what is left over stands out, other samples in
    every epoch. A set smaller than one global batch is repeated to fill it.

    Args:
        n: samples.
        global_batch: samples of one optimizer step, over all processes.
        seed: with the epoch, decides the order.
        lengths: tokens of every sample; where given, the samples of a global batch are of like
            length, longest first, and the global batches come in random order.
        steps_done: optimizer steps so far, which tell the epoch. Being told it does not do: what
            wraps the sampler of one of several processes in a resumed run does not pass it on.
    """

    _GROUP = 50

    def __init__(
        self,
        n: int,
        global_batch: int,
        seed: int,
        lengths: Any = None,
        steps_done: Callable[[], int] = lambda: 0,
    ) -> None:
        self.n, self.global_batch, self.seed, self.lengths = n, global_batch, seed, lengths
        self.steps_done = steps_done

    def __len__(self) -> int:
        return max(1, self.n // self.global_batch) * self.global_batch

    def __iter__(self) -> Iterator[int]:
        epoch = self.steps_done() * self.global_batch // len(self)
        rng = np.random.default_rng([self.seed, epoch])
        order = np.resize(rng.permutation(self.n), len(self))
        if self.lengths is not None:
            order = self._grouped(order, rng)
        return iter(order.tolist())

    def _grouped(self, order: Any, rng: np.random.Generator) -> Any:
        size = self.global_batch * self._GROUP
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        ordered = [g[np.argsort(-self.lengths[g], kind="stable")] for g in groups]
        batches = np.concatenate(ordered).reshape(-1, self.global_batch)
        return batches[rng.permutation(len(batches))].ravel()


def freeze_unreached(model: nn.Module) -> list[str]:
    """Freeze what the loss never reaches, and return the names.

    The features are the last hidden layer's, before the tower's final norm and pooling head.
    """
    frozen = []
    for name, parameter in model.named_parameters():
        if any(part in name for part in _UNREACHED):
            parameter.requires_grad_(False)
            frozen.append(name)
    return frozen


def with_labels_only(inputs: dict[str, Any]) -> dict[str, Any]:
    """Have the head compute logits only where a row of the batch has a label.

    The logits at a position foretell the next token, so labels are shifted by one here and handed
    over as they stand beside the kept positions.
    """
    if "labels" not in inputs:
        return dict(inputs)
    following = nn.functional.pad(inputs["labels"], (0, 1), value=_IGNORED)[:, 1:]
    kept = (following != _IGNORED).any(0).nonzero().flatten()
    picked = following[:, kept]
    return {**inputs, "labels": picked, "shift_labels": picked, "logits_to_keep": kept}
