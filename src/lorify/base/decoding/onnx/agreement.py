"""Check a session against PyTorch: its cached weights may be damaged or those of another base."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from lorify.base.decoding.block_rows import BlockRows
from lorify.base.decoding.onnx.rows import OnnxRows, StepSession
from lorify.base.model import BaseLM

_TOLERANCE = 0.05  # relative; weights that were rounded to bfloat16 before differ by a hundredth
_TOKEN = 1


@torch.inference_mode()
def agrees(base: BaseLM, step: StepSession) -> bool:
    """Return whether a session has the logits of PyTorch for a sequence of one token."""
    decoder: Any = base.decoder
    attention: Any = base.blocks[0].self_attn
    x = F.embedding(torch.tensor([_TOKEN]), decoder.embed_tokens.weight)
    buffers = [torch.zeros(1, base.model.config.num_key_value_heads, 1, attention.head_dim) for _ in base.blocks]
    keys, values = buffers, [buffer.clone() for buffer in buffers]
    expected = BlockRows(base, None, keys, values, [0]).step(x, [0])
    try:
        error = OnnxRows(base, step, None, keys, values).step(x, [0]) - expected
    except Exception:  # ONNX Runtime has a class for each reason, such as heads of a size that it does not take
        return False
    return bool(error.norm() <= _TOLERANCE * expected.norm())
