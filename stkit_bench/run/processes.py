"""A function in a forked process: called by one thread, its arrays read straight into place.

The standard pools pickle what a worker returns into one text, copy it several times with the
interpreter held, or leave it in shared memory, of which a container may have 64 MB. Here arrays
and tensors pass through a pipe beside the rest, read without the interpreter.
"""

from __future__ import annotations

import fcntl
import gc
import io
import multiprocessing
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_bench.run.settings import RunError

__all__ = ["Forked", "can_fork"]

_SIZE = struct.Struct("<Q")
_PIPE_BYTES = 1 << 20
_POLL_S = 1.0
_PATIENCE_S = 10.0


def can_fork() -> bool:
    """Return whether this process can start others that share what it has in memory."""
    # macOS forks too, but its own libraries break in the child.
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


class Forked:
    """A process that runs one function; it has what this one has in memory at its start.

    Args:
        function: of one picklable argument. What it returns is pickled, arrays and tensors on the
            CPU apart from it. It must not touch a GPU.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        asked_r, asked_w = os.pipe()
        told_r, told_w = os.pipe()
        _widen(told_w)
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve,
            args=(function, asked_r, told_w, (asked_w, told_r), os.getpid()),
            daemon=True,
        )
        with warnings.catch_warnings(), _quiet_tokenizers():
            # Newer Pythons warn of threads at a fork; those of torch and Arrow are idle here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        os.close(asked_r)
        os.close(told_w)
        self._asked, self._told = io.FileIO(asked_w, "wb"), io.FileIO(told_r, "rb")

    def call(self, argument: Any) -> Any:
        """Run the function there; not from two threads at once.

        Raises:
            RunError: the process died.
            Exception: whatever the function raised.
        """
        try:
            _send(self._asked, argument)
            error, found = _receive(self._told)
        except (BrokenPipeError, EOFError):
            raise RunError(self._obituary()) from None
        if error is not None:
            raise error
        return found

    def dismiss(self) -> None:
        """Let the process end when it has nothing to do; it is not called again."""
        with suppress(BrokenPipeError):  # it has ended already
            _send(self._asked, None)

    def close(self) -> None:
        """End the process, dismissed before, and wait for that."""
        self._asked.close()
        self._told.close()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _obituary(self) -> str:
        self._process.join(_PATIENCE_S)
        code = self._process.exitcode or 0
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {signal.Signals(-code).name}"
        hint = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return (
            f"a process that prepares questions ended with {how}{hint}; what was answered is kept, "
            "and the same command goes on, with a smaller --preparing or --prepare-in threads too"
        )


def _serve(
    function: Callable[[Any], Any],
    asked_r: int,
    told_w: int,
    not_mine: tuple[int, ...],
    parent: int,
) -> None:
    """Answer calls until there are no more."""
    # An interrupt goes to all processes of a terminal; the first one says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for descriptor in not_mine:
        os.close(descriptor)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    # What was inherited is never freed here: it may belong to a GPU.
    gc.freeze()
    _single_threaded()
    answer: tuple[Exception | None, Any]
    with io.FileIO(asked_r, "rb") as asked, io.FileIO(told_w, "wb") as told:
        while True:
            try:
                argument = _receive(asked)
            except EOFError:
                return
            if argument is None:
                return
            try:
                answer = None, function(argument)
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                answer = _portable(error), None
            try:
                _send(told, answer)
            except BrokenPipeError:
                return


def _end_with(parent: int) -> None:
    """End when the process that started this one is killed, instead of waiting for ever."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)


def _single_threaded() -> None:
    """Leave the cores to the model; threads of a library do not live through a fork."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@contextmanager
def _quiet_tokenizers() -> Iterator[None]:
    """Keep tokenizers from warning of a fork after which they would go on in one thread."""
    name, before = "TOKENIZERS_PARALLELISM", os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ.setdefault(name, "false")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def _portable(error: Exception) -> Exception:
    """Return the error as one that can be sent, with the place of it where it is no rule's."""
    if not isinstance(error, ValueError):
        error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made in the line's other half
    except Exception:  # noqa: BLE001 - whatever its class does when it is made anew
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return error


# --- values through a pipe -------------------------------------------------------------------


class _Pickler(pickle.Pickler):
    """Pickles tensors as arrays; their own way is through shared memory."""

    def reducer_override(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return NotImplemented
        # As bytes, since numpy has no bfloat16.
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _tensor, (flat, str(value.dtype).removeprefix("torch."), tuple(value.shape))


def _tensor(flat: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> Any:
    torch = sys.modules["torch"]
    return torch.from_numpy(flat).view(getattr(torch, dtype)).reshape(shape)


def _send(pipe: io.FileIO, value: Any) -> None:
    apart: list[memoryview] = []
    text = io.BytesIO()
    pickler = _Pickler(text, protocol=5, buffer_callback=lambda b: apart.append(b.raw()))
    pickler.dump(value)
    parts = [text.getbuffer(), *apart]
    _write(pipe, _SIZE.pack(len(parts)) + b"".join(_SIZE.pack(part.nbytes) for part in parts))
    for part in parts:
        _write(pipe, part)


def _receive(pipe: io.FileIO) -> Any:
    (n_parts,) = _SIZE.unpack(_read(pipe, _SIZE.size))
    sizes = _SIZE.iter_unpack(_read(pipe, n_parts * _SIZE.size))
    text, *apart = [_read(pipe, size) for (size,) in sizes]
    return pickle.loads(text, buffers=apart)  # noqa: S301 - from this program's own process


def _write(pipe: io.FileIO, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[pipe.write(left) :]


def _read(pipe: io.FileIO, size: int) -> memoryview:
    # Not a bytearray, which would be filled with zeros first.
    found = np.empty(size, np.uint8).data
    left = found
    while left:
        n = pipe.readinto(left)
        if not n:
            raise EOFError
        left = left[n:]
    return found


def _widen(descriptor: int) -> None:
    """Let the pipe hold more, so that fewer turns empty it."""
    # Users may hold so much in pipes and no more; the usual 64 KiB do too.
    with suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
