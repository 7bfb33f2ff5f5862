"""A base whose blocks are cut over two processes, in a module that processes started anew can import."""

import gc
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from torch import Tensor
from torch.distributed.tensor import DTensor

from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.loading import load_base
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError


def load_part(base_dir: Path, *, sharded: bool = True) -> BaseLM:
    """This process's part of a base."""
    PartialState(cpu=True)
    return load_base(str(base_dir), dtype=torch.float32, sharded=sharded)


def check_in_process(base_dir: Path) -> None:
    """What each of two processes does: half of the blocks' bytes give the numbers of the whole base."""
    found, part_bytes = _use(base_dir, sharded=True)
    wanted, whole_bytes = _use(base_dir, sharded=False)
    for of_part, of_whole in zip(found, wanted, strict=True):
        torch.testing.assert_close(of_part, of_whole, rtol=0, atol=0)
    blocks_bytes = sum(p.nbytes for block in load_part(base_dir, sharded=False).blocks for p in block.parameters())
    for held, everything in zip(part_bytes, whole_bytes, strict=True):
        assert everything - held == pytest.approx(blocks_bytes / 2, rel=0.02)


def _use(base_dir: Path, *, sharded: bool) -> tuple[list[Tensor], list[int]]:
    """What a base computes; and bytes held when it is loaded, between forward and backward, and at the end."""
    start = _live_bytes()
    base = load_part(base_dir, sharded=sharded)
    held = [_live_bytes() - start]
    ids = torch.tensor([[5, 6, 7, 8 + torch.distributed.get_rank()]])
    up = torch.full((1, 2, base.hidden_size), 0.01, requires_grad=True)
    down = torch.full((2, base.linear(1, "down_proj").in_features), 0.1)
    with base.hooks.applied({(1, "down_proj"): LoraTensors(down, up)}):
        logits = base.logits(base.decoder(input_ids=ids, use_cache=False).last_hidden_state)
    early = base.activations(ids, None, layers=[1]).states[1]
    held.append(_live_bytes() - start)
    logits.square().sum().backward()
    held.append(_live_bytes() - start)
    assert up.grad is not None
    if sharded:
        with pytest.raises(BaseModelError, match="is sharded over training processes and cannot generate"):
            generate_batch(base, [[5, 6]], GenerationOptions(2), lora=None, stop_ids=set())
    return [logits.detach(), up.grad, early], held


def _live_bytes() -> int:
    """Memory of all tensors of this process."""
    gc.collect()
    tensors = [t for t in gc.get_objects() if issubclass(type(t), Tensor) and not isinstance(t, DTensor)]
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
