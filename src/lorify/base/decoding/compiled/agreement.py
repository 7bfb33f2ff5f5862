"""Check matrices against PyTorch: cached ones may be damaged or belong to another base."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from lorify.base.decoding.block_rows import BlockRows
from lorify.base.decoding.compiled.rows import CompiledRows, CompiledStep
from lorify.base.model import BaseLM

_TOLERANCE = 0.05  # relative; weights that were already rounded to bfloat16 differ by about a hundredth
_TOKEN = 1


@torch.inference_mode()
def agrees(base: BaseLM, step: CompiledStep) -> bool:
    """Return whether compiled loops and PyTorch give the same logits for a sequence of one token."""
    decoder: Any = base.decoder
    attention: Any = base.blocks[0].self_attn
    x = F.embedding(torch.tensor([_TOKEN]), decoder.embed_tokens.weight)
    buffers = [torch.zeros(1, base.model.config.num_key_value_heads, 1, attention.head_dim) for _ in base.blocks]
    keys, values = buffers, [buffer.clone() for buffer in buffers]
    expected = BlockRows(base, None, keys, values, [0]).step(x, [0])
    error = CompiledRows(base, step, None, keys, values).step(x, [0]) - expected
    return bool(error.norm() <= _TOLERANCE * expected.norm())
