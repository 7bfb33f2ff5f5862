"""Shard the transformer blocks of a frozen model over the training processes.

PyTorch's `fully_shard` (FSDP2) gathers a block before its forward or backward pass and frees it afterwards. Gathering
synchronizes the processes, so all of them must call the model equally often. Embeddings, the final norm and the head
are not sharded, since they are also used outside the model's own `forward`.

FSDP is imported inside the functions, so that a single process does not load it needlessly.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from lorify.base.structure import find_blocks


def can_shard() -> bool:
    """Return whether this process is in a process group, as under `torchrun` or `accelerate launch`."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_sharded(block: nn.Module) -> bool:
    """Return whether `shard_blocks` has sharded this block."""
    if not can_shard():
        return False
    from torch.distributed.fsdp import FSDPModule

    return isinstance(block, FSDPModule)


def shard_blocks(model: PreTrainedModel, device: torch.device) -> None:
    """Shard the blocks of a frozen model over all processes, one by one, and move everything else to the device.

    Hooks registered on a block before this call see the gathered weights. Hooks registered afterwards with `prepend`
    run before the block is gathered and can prevent it.

    Args:
        model: the model with all its weights, identical in all processes; it may still be on the CPU.
        device: device of this process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in find_blocks(model, type(model).__name__)[1]:
        # The model itself is not wrapped: a root FSDP module does not support forward passes that stop early.
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    model.to(device)  # pyright: ignore[reportArgumentType]
