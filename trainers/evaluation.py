"""A bench asked during training, by the runner and the scores of ``stkit-bench``."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from stkit_bench.files import read_answers, read_references
from stkit_bench.models.transformers_model import TransformersConfig, TransformersModel
from stkit_bench.reading import read_response
from stkit_bench.run import AskSettings, run
from stkit_bench.run.preparing import Workers
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.stkit_questions import StkitQuestions
from stkit_bench.scoring import score
from stkit_datasets.model_clients.base import Reply

if TYPE_CHECKING:
    from trainers.arguments import BenchArguments
    from trainers.trainer import StVlmTrainer

logger = logging.getLogger(__name__)


class ModelInMemory(TransformersModel):
    """The model that is being trained, as one that the runner asks.

    Args:
        model: as it stands; put into evaluation mode by the caller.
        processor: its own; copied, as padding for answers is on the other side.
        name: what answers are filed under.
        batch_size: requests answered together.
        max_new_tokens: of a response.
        autocast: whether to compute in half precision.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        *,
        batch_size: int,
        max_new_tokens: int,
        autocast: bool,
    ) -> None:
        config = TransformersConfig(name, batch_size=batch_size, max_new_tokens=max_new_tokens)
        super().__init__(config, loaded=(copy.deepcopy(processor), model))
        self._autocast = autocast

    def respond(self, prepared: Any) -> list[Reply]:
        """Generate, in the precision of the training."""
        # The runner calls this in a thread of its own, and autocast holds for a thread.
        with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._autocast):
            return super().respond(prepared)


def evaluate(
    model: ModelInMemory,
    bench: Path,
    out: Path,
    settings: AskSettings,
    limit: int | None,
    workers: Workers,
    wording: str | None = None,
) -> Mapping[str, float]:
    """Ask the bench's questions and score the answers; ``wording`` as in ``StkitQuestions``.

    Returns:
        ``bench_average`` over the tasks that are there, ``bench_coverage``, and for every task
        ``bench_<task>``, all from 0 to 1.
    """  # fmt: skip
    questions = StkitQuestions(RowsFile(bench), settings, limit=limit, wording_path=wording)
    run(model, questions, out, workers=workers)
    asked = set(questions.ids)
    references = [item for item in read_references(bench) if item["id"] in asked]
    answers = read_answers(out, references)
    readings = [
        None if text is None else read_response(item["task"], text, item["question"])
        for item, text in zip(answers.references, answers.responses, strict=True)
    ]
    scores = score(answers.references, readings, n_resamples=0)
    return {
        "bench_average": float(scores.average_of_present or 0.0),
        "bench_coverage": float(scores.coverage or 0.0),
        **{f"bench_{name}": task.accuracy for name, task in scores.tasks.items()},
    }


class BenchCallback(TrainerCallback):
    """Asks a bench every so many steps and at the end, and logs its scores.

    Where the model is whole in every process, the processes share the questions. Where it is
    sharded, the first process asks a whole copy of it and the others wait.

    Args:
        trainer: whose model is asked.
        bench_args: which questions, how often.
        max_frames: most frames of a video, as in training.
    """

    def __init__(self, trainer: StVlmTrainer, bench_args: BenchArguments, max_frames: int) -> None:
        self.trainer, self.bench_args, self.max_frames = trainer, bench_args, max_frames
        self._done = -1

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask when it is time."""
        if state.global_step % self.bench_args.bench_steps == 0:
            self.ask(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the finished model."""
        self.ask(state.global_step)

    def ask(self, step: int) -> None:
        """Ask, score and log."""
        if step == self._done or self.bench_args.bench is None:
            return
        self._done = step
        trainer = self.trainer
        out = Path(trainer.args.output_dir) / "bench" / f"step-{step:06d}.jsonl"
        if trainer.args.should_save:
            for old in out.parent.glob(f"{out.name}*"):
                old.unlink()  # of a run that was taken up again before this step
        trainer.accelerator.wait_for_everyone()
        model, workers = self._model_and_workers()
        if model is not None:
            scores = self._scores(model, out, workers)
            if trainer.args.should_log:
                trainer.log(dict(scores))
        trainer.accelerator.wait_for_everyone()

    def _scores(self, model: Any, out: Path, workers: Workers) -> Mapping[str, float]:
        args = self.trainer.args
        asked = ModelInMemory(
            model,
            self.trainer.processing_class,
            str(args.output_dir),
            batch_size=args.per_device_eval_batch_size,
            max_new_tokens=self.bench_args.bench_max_new_tokens,
            autocast=bool(args.bf16),
        )
        training = model.training
        model.eval()
        try:
            return evaluate(
                asked,
                Path(str(self.bench_args.bench)),
                out,
                AskSettings(max_frames=self.max_frames),
                self.bench_args.bench_limit,
                workers,
                self.bench_args.bench_wording,
            )
        finally:
            model.train(training)

    def _model_and_workers(self) -> tuple[Any, Workers]:
        trainer, accelerator = self.trainer, self.trainer.accelerator
        if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
            workers = Workers(
                rank=accelerator.process_index,
                world_size=accelerator.num_processes,
                meet=accelerator.wait_for_everyone,
            )
            return accelerator.unwrap_model(trainer.model), workers
        weights = accelerator.get_state_dict(trainer.model_wrapped)
        if not accelerator.is_main_process:
            return None, Workers()
        unwrapped = accelerator.unwrap_model(trainer.model)
        dtype = torch.bfloat16 if trainer.args.bf16 else torch.float32
        whole = type(unwrapped)(copy.deepcopy(unwrapped.config)).to(dtype)
        whole.load_state_dict(weights)
        return whole.to(accelerator.device), Workers()
