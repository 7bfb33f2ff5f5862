"""Find the compiled loops that decode a base."""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lorify.atomic import failure_reason
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

if TYPE_CHECKING:
    from lorify.base.decoding.compiled.rows import CompiledStep

DECODING_VARIABLE = "LORIFY_DECODING"
"""Environment variable; `torch` turns compiled loops off."""

_COMPILER = "numba"
_LINEARS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
_log = logging.getLogger(__name__)


def find_compiled(base: BaseLM) -> CompiledStep | None:
    """Return the compiled loops of a base; None if PyTorch decodes it. They are opened after some steps.

    `lorify.base.kept_session` says when.
    """
    kept = base.decoding_session
    if not kept.is_due or os.environ.get(DECODING_VARIABLE) == "torch" or not _may_be_compiled(base):
        return None
    with kept.lock:
        versions = _versions(base)
        if kept.key != versions:
            kept.key, kept.session = versions, None
            kept.session = _open(base)
        return kept.session


def _may_be_compiled(base: BaseLM) -> bool:
    return (
        base.device.type == "cpu"
        and base.dtype == torch.float32
        and _has_known_layers(base)
        and importlib.util.find_spec(_COMPILER) is not None
    )


def _has_known_layers(base: BaseLM) -> bool:
    """Return whether a step's operations match the base's layers; weights are not checked."""
    if not base.architecture.has_fast_decoding:
        return False
    linears = [*base.linear_keys.values(), base.model.get_output_embeddings()]
    blocks: list[Any] = list(base.blocks)
    return (
        base.model.config.hidden_act == "silu"
        and {name for _, name in base.linear_keys} == _LINEARS
        and all(isinstance(linear, nn.Linear) and linear.bias is None for linear in linears)
        and all(not hasattr(block.self_attn, "q_norm") for block in blocks)
    )


def _versions(base: BaseLM) -> tuple[int, ...]:
    """The versions of the weights, which change when weights are changed in place."""
    head: Any = base.model.get_output_embeddings()
    return tuple(linear.weight._version for linear in (*base.linear_keys.values(), head))


def _open(base: BaseLM) -> CompiledStep | None:
    """Return the loops of a base; None if its weights do not lie on a quantization grid, or Numba fails."""
    # Imported here, so that only decoding with these loops waits for Numba.
    try:
        from lorify.base.decoding.compiled.opening import open_step
    except Exception as error:  # Numba raises RuntimeError if it finds no folder for its cache
        _warn(base, failure_reason(error))
        return None
    try:
        return open_step(base)
    except BaseModelError as error:
        _warn(base, str(error))
        return None


def _warn(base: BaseLM, reason: str) -> None:
    _log.warning("%s is decoded by PyTorch, more slowly: %s", base.name, reason)
