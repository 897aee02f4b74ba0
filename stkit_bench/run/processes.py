"""A function in a forked process: called by one thread, its arrays read straight into place.

The standard pools copy what a worker returns several times with the interpreter held, or leave it
in shared memory, of which a container may have 64 MB. Here arrays and tensors pass through a pipe
of their own, read without the interpreter; the rest goes the standard way.
"""

from __future__ import annotations

import fcntl
import gc
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_bench.run.settings import RunError

__all__ = ["Forked", "can_fork"]

#: How a call ended.
_DONE, _RULE, _MISTAKE = "done", "rule", "mistake"
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
        function: of one argument. In what it returns, arrays, and tensors on the CPU, in lists,
            tuples and dicts pass apart from the rest. It must not touch a GPU.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._asks, asked = multiprocessing.Pipe()
        arrays_r, arrays_w = os.pipe()
        _widen(arrays_w)
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve,
            args=(function, asked, arrays_w, (self._asks.fileno(), arrays_r), os.getpid()),
            daemon=True,
        )
        with warnings.catch_warnings(), _quiet_tokenizers():
            # Newer Pythons warn of threads at a fork; those of torch and Arrow are idle here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        asked.close()
        os.close(arrays_w)
        self._arrays = io.FileIO(arrays_r, "rb")

    def call(self, argument: Any) -> Any:
        """Run the function there; not from two threads at once.

        Raises:
            RunError: the process died, or the function raised a ``ValueError``.
            RuntimeError: it raised another error; the message says where.
        """
        try:
            self._asks.send(argument)
            how, told, sizes = self._asks.recv()
            arrays = [_read(self._arrays, size) for size in sizes]
        except (ConnectionError, EOFError):
            raise RunError(self._obituary()) from None
        if how != _DONE:
            raise RunError(told) if how == _RULE else RuntimeError(told)
        return _together(told, arrays)

    def dismiss(self) -> None:
        """Let the process end when it has nothing to do; it is not called again."""
        with suppress(ConnectionError):  # it has ended already
            self._asks.send(None)

    def close(self) -> None:
        """End the process, dismissed before, and wait for that."""
        self._asks.close()
        self._arrays.close()
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
    asked: Connection,
    arrays_w: int,
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
    # The first process has hung up where it was killed.
    with io.FileIO(arrays_w, "wb") as pipe, suppress(ConnectionError, EOFError):
        while (argument := asked.recv()) is not None:
            how, told, arrays = _outcome(function, argument)
            asked.send((how, told, [array.nbytes for array in arrays]))
            for array in arrays:
                _write(pipe, array)


def _outcome(
    function: Callable[[Any], Any], argument: Any
) -> tuple[str, Any, list[NDArray[np.uint8]]]:
    arrays: list[NDArray[np.uint8]] = []
    try:
        return _DONE, _apart(function(argument), arrays), arrays
    except ValueError as error:
        return _RULE, str(error), []
    except Exception as error:  # noqa: BLE001 - raised again where it was asked for
        return _MISTAKE, f"{type(error).__name__}: {error}\n{traceback.format_exc()}", []


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


# --- values through a pipe -------------------------------------------------------------------


@dataclass(frozen=True)
class _Apart:
    """Where an array or a tensor stood."""

    number: int
    dtype: str
    shape: tuple[int, ...]
    is_tensor: bool


def _apart(value: Any, arrays: list[NDArray[np.uint8]]) -> Any:
    """Return the value with its arrays and tensors taken out, as bytes, into the list."""
    if type(value) is dict:
        return {key: _apart(entry, arrays) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_apart(entry, arrays) for entry in value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        found = _Apart(len(arrays), dtype, tuple(value.shape), True)
        # As bytes, since numpy has no bfloat16.
        arrays.append(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
        return found
    if type(value) is np.ndarray and not value.dtype.hasobject:
        found = _Apart(len(arrays), value.dtype.str, value.shape, False)
        arrays.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        return found
    return value


def _together(value: Any, arrays: list[NDArray[np.uint8]]) -> Any:
    if type(value) is dict:
        return {key: _together(entry, arrays) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_together(entry, arrays) for entry in value)
    if not isinstance(value, _Apart):
        return value
    flat = arrays[value.number]
    if value.is_tensor:
        torch = sys.modules["torch"]
        dtype = getattr(torch, value.dtype)
        if not flat.size:
            return torch.empty(value.shape, dtype=dtype)  # bytes that are not there have no stride
        return torch.from_numpy(flat).view(dtype).reshape(value.shape)
    return flat.view(value.dtype).reshape(value.shape)


def _write(pipe: io.FileIO, array: NDArray[np.uint8]) -> None:
    left = array.data
    while left:
        left = left[pipe.write(left) :]


def _read(pipe: io.FileIO, size: int) -> NDArray[np.uint8]:
    found = np.empty(size, np.uint8)
    left = found.data
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
