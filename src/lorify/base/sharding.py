"""The transformer blocks of a frozen model in parts, one in each process that trains with it.

PyTorch's `fully_shard` (FSDP2) gathers a block before it runs, forward or backward, and frees it afterwards. Processes
wait for each other there, so all of them have to call the model equally often. Embeddings, the last norm and the head
stay whole, since they are used outside of the model's own `forward` too.

FSDP is imported inside the functions, so that a single process does not load it for nothing.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel


def can_shard() -> bool:
    """Whether this process is one of a group that trains together, as under `torchrun` or `accelerate launch`."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_sharded(block: nn.Module) -> bool:
    """Whether `shard_blocks` has cut this block."""
    if not can_shard():
        return False
    from torch.distributed.fsdp import FSDPModule

    return isinstance(block, FSDPModule)


def shard_blocks(model: PreTrainedModel, device: torch.device) -> None:
    """Cut the blocks of a frozen model over all processes, one after the other, and put the rest on the device.

    Other hooks on blocks see gathered weights if they are there already, and can stop a block from being gathered if
    they are added afterwards with `prepend`.

    Args:
        model: with whole weights, the same ones in all processes; it may be on the CPU still.
        device: of this process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in cast(nn.ModuleList, cast(nn.Module, model.get_decoder()).layers):
        # By itself, without one around the whole model: that one could not do with a forward pass that is ended early.
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    model.to(device)  # pyright: ignore[reportArgumentType]
