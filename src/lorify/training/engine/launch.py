"""Checks how the processes of a run were launched."""

from __future__ import annotations

import os

from accelerate.utils import parse_flag_from_env

from lorify.errors import TrainingError

_WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Environment variables in which torchrun and variants of mpirun give the number of processes."""


def check_launch() -> None:
    """Refuse options of `accelerate launch` that would have no effect.

    Raises:
        TrainingError: if it does its own sharding, or was meant to start several processes but started one.
    """
    for variable, option in (("ACCELERATE_USE_FSDP", "--use_fsdp"), ("ACCELERATE_USE_DEEPSPEED", "--use_deepspeed")):
        if parse_flag_from_env(variable):
            raise TrainingError(
                f"accelerate launch {option} does nothing for lorify's weights; launch without it, and set sharded to "
                "true in the config"
            )
    wants_several = {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys()
    if wants_several and os.environ.keys().isdisjoint(_WORLD_SIZES):
        raise TrainingError(
            "accelerate launch started one process instead of several, as it does with --cpu; start them with "
            "torchrun --standalone --nproc-per-node N --no-python lorify train ..."
        )
