"""Models in this process through transformers: LLaVA-OneVision and others that take videos."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stkit_datasets.model_clients.base import Failure, ModelError, Reply, Request, VideoPart

__all__ = ["TransformersConfig", "TransformersModel", "conversation"]

_DTYPES = ("auto", "bfloat16", "float16", "float32")
_NO_LIBRARY = (
    'models in process need torch and transformers: pip install ".[models]" in a clone of STKit'
)


@dataclass(frozen=True)
class TransformersConfig:
    """What is loaded, and how it answers.

    Attributes:
        path: a folder, or a name on the Hub.
        revision: of the Hub's repository.
        batch_size: requests answered together.
        max_new_tokens: of a response.
        dtype: ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        text_only: a language model without any vision; it is given the text alone.
    """

    path: str
    revision: str | None = None
    batch_size: int = 8
    max_new_tokens: int = 256
    dtype: str = "auto"
    text_only: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}, got {self.dtype!r}")
        for name in ("batch_size", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class TransformersModel:
    """A model that is loaded when the object is made.

    Decoding is greedy, so that answers do not depend on a draw. One process spreads the model over
    its GPUs; under ``accelerate launch`` every process holds a whole copy on a GPU of its own.

    Args:
        config: what is loaded, and how it answers.
        loaded: processor and model where they are in memory already; the processor is changed to
            pad in front, and the model's own precision goes before the config's.

    Raises:
        ModelError: torch or transformers is missing, or they cannot load the model.
    """

    concurrency = 1
    computes_here = True

    def __init__(self, config: TransformersConfig, loaded: tuple[Any, Any] | None = None) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise ModelError(_NO_LIBRARY) from error
        self._torch, self._config = torch, config
        self.batch_size = config.batch_size
        self.sees_video = not config.text_only
        self._dtype = _dtype(torch, config.dtype) if loaded is None else loaded[1].dtype
        self._processor, self._model = loaded or _load(transformers, config, self._dtype)
        self._tokenizer = getattr(self._processor, "tokenizer", self._processor)
        # Answers are read off the end of the row, so what is padded is the front.
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    @property
    def name(self) -> str:
        """The folder's or the repository's name."""
        return self._config.path.rstrip("/")

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the answers.

        The batch size is among it: how rows are padded moves the last bits of a logit.
        """
        config = self._config
        return {
            "kind": "transformers",
            "name": self.name,
            "revision": config.revision,
            "max_new_tokens": config.max_new_tokens,
            "dtype": str(self._dtype).removeprefix("torch."),
            "batch_size": config.batch_size,
            "text_only": config.text_only,
            "decoding": "greedy",
        }

    def prepare(self, requests: Sequence[Request]) -> dict[str, Any]:
        """Return the batch as tensors on the CPU, in the model's precision."""
        texts = [
            self._processor.apply_chat_template(
                conversation(request), tokenize=False, add_generation_prompt=True
            )
            for request in requests
        ]
        videos = [
            self._torch.from_numpy(_owned(video.frames)).permute(0, 3, 1, 2)
            for request in requests
            for video in request.videos
        ]
        if not videos:
            return dict(self._tokenizer(texts, padding=True, return_tensors="pt"))
        # The frames were chosen already; the processor must not choose among them again.
        batch = self._processor(
            text=texts,
            videos=videos,
            do_sample_frames=False,
            padding=True,
            return_tensors="pt",
        )
        # Here, as half as many bytes go on to the model, by a pipe and to its device.
        return {key: _moved(value, self._torch, dtype=self._dtype) for key, value in batch.items()}

    def respond(self, prepared: Any) -> list[Reply]:
        """Generate; a batch that the model cannot take fails as a whole."""
        torch, started = self._torch, time.perf_counter()
        try:
            device = self._model.device
            batch = {key: _moved(value, torch, device) for key, value in prepared.items()}
            with torch.inference_mode():
                written = self._model.generate(
                    **batch,
                    do_sample=False,
                    num_beams=1,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    max_new_tokens=self._config.max_new_tokens,
                    pad_token_id=self._tokenizer.pad_token_id,
                )
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(
                f"the GPU's memory is too small for batches of {self.batch_size}: give a smaller "
                f"--batch-size or --max-frames ({str(error).splitlines()[0]})"
            ) from None
        except (RuntimeError, ValueError, IndexError) as error:
            told = f"{type(error).__name__}: {error}"[:300]
            failure = Failure("model", told)
            return [Reply(None, failure)] * len(prepared["input_ids"])
        elapsed = time.perf_counter() - started
        return self._replies(batch, written, elapsed)

    def close(self) -> None:
        """Leave the model to the process."""

    def _replies(self, batch: Any, written: Any, elapsed: float) -> list[Reply]:
        read = batch["attention_mask"].sum(dim=1).tolist()
        new = written[:, batch["input_ids"].shape[1] :]
        texts = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        ends = self._ends()
        replies = []
        for text, row, n_read in zip(texts, new.tolist(), read, strict=True):
            stop = next((place + 1 for place, token in enumerate(row) if token in ends), None)
            replies.append(
                Reply(
                    text.strip(),
                    finish_reason="length" if stop is None else "stop",
                    input_tokens=int(n_read),
                    output_tokens=len(row) if stop is None else stop,
                    latency_s=elapsed,
                )
            )
        return replies

    def _ends(self) -> frozenset[int]:
        found = self._model.generation_config.eos_token_id
        listed = found if isinstance(found, list) else [found]
        return frozenset(
            token for token in [*listed, self._tokenizer.eos_token_id] if token is not None
        )


def conversation(request: Request) -> list[dict[str, Any]]:
    """Return a request in the form of chat templates, one placeholder a video."""
    return [
        {
            "role": turn.role,
            "content": [
                {"type": "video"} if isinstance(part, VideoPart) else {"type": "text", "text": part}
                for part in turn.parts
            ],
        }
        for turn in request.turns
    ]


def _moved(value: Any, torch: Any, device: Any = None, dtype: Any = None) -> Any:
    """Return tensors, in lists too, on a device, those of fractions in a precision."""
    if isinstance(value, list):
        return [_moved(entry, torch, device, dtype) for entry in value]
    if not torch.is_tensor(value):
        return value
    return value.to(device=device, dtype=dtype if value.is_floating_point() else None)


def _owned(frames: Any) -> Any:
    """Return frames that torch may view; it warns of those that others share read-only."""
    return frames if frames.flags.writeable else frames.copy()


def _dtype(torch: Any, name: str) -> Any:
    if name == "auto":
        return torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return getattr(torch, name)


def _load(transformers: Any, config: TransformersConfig, dtype: Any) -> tuple[Any, Any]:
    processor_class = transformers.AutoTokenizer if config.text_only else transformers.AutoProcessor
    model_class = (
        transformers.AutoModelForCausalLM
        if config.text_only
        else transformers.AutoModelForImageTextToText
    )
    where = {"revision": config.revision} if config.revision else {}
    try:
        processor = processor_class.from_pretrained(config.path, **where)
        model = model_class.from_pretrained(
            config.path, dtype=dtype, device_map=_device_map(), **where
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"{config.path}: the model cannot be loaded: {error}") from error
    return processor, model.eval()


def _device_map() -> Any:
    """Return ``auto``, or this process's own device where accelerate started several."""
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ModelError(_NO_LIBRARY) from error
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return {"": PartialState().device}
    return "auto"
