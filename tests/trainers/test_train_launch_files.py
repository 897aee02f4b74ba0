from __future__ import annotations

from pathlib import Path

import needs_train
import pytest
import yaml

needs_train.skip_if_missing()

from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from conftest import FSDP2  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "trainers" / "accelerate"


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [
        ("one_gpu", "NO", 1),
        ("ddp_8gpu", "MULTI_GPU", 8),
        ("fsdp2_8gpu", "FSDP", 8),
        ("zero3_8gpu", "DEEPSPEED", 8),
    ],
)
def test_accelerate_reads_its_files(name: str, kind: str, processes: int) -> None:
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert (config.distributed_type, config.num_processes) == (kind, processes)


def test_the_tests_run_fsdp2_as_the_file_says() -> None:
    told = yaml.safe_load((FOLDER / "fsdp2_8gpu.yaml").read_text())["fsdp_config"]
    named = {
        "fsdp_version": "FSDP_VERSION",
        "fsdp_auto_wrap_policy": "FSDP_AUTO_WRAP_POLICY",
        "fsdp_transformer_layer_cls_to_wrap": "FSDP_TRANSFORMER_CLS_TO_WRAP",
        "fsdp_reshard_after_forward": "FSDP_RESHARD_AFTER_FORWARD",
        "fsdp_state_dict_type": "FSDP_STATE_DICT_TYPE",
        "fsdp_activation_checkpointing": "FSDP_ACTIVATION_CHECKPOINTING",
        "fsdp_cpu_ram_efficient_loading": "FSDP_CPU_RAM_EFFICIENT_LOADING",
    }
    here = {key: str(told[key]).lower() for key in named}
    assert here == {key: FSDP2[variable].lower() for key, variable in named.items()}
