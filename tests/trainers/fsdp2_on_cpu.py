"""A training under FSDP2 on CPUs.

accelerate shards only what it takes for accelerators; here it takes the processes for such, while
tensors stay on the CPU and gloo carries them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType

_init = PartialState.__init__


def init_as_accelerators(self: PartialState, *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    if self.distributed_type is DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    PartialState.__init__ = init_as_accelerators
    torch.set_num_threads(1)
    from trainers import sft

    sft.main()
