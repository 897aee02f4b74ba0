"""A training that is killed while it writes its second checkpoint, as ``kill -9`` does it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from trainers import sft

_save = torch.save


def save_until_killed(value: Any, file: Any, *args: Any, **kwargs: Any) -> None:
    if "checkpoint-4" in str(file) and str(file).endswith("optimizer.pt"):
        Path(file).write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)
    _save(value, file, *args, **kwargs)


if __name__ == "__main__":
    torch.save = save_until_killed
    torch.set_num_threads(1)
    sft.main()
