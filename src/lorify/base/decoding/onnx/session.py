"""Find the session of ONNX Runtime that decodes a base."""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import Any

import torch

from lorify.atomic import failure_reason
from lorify.base.decoding.onnx.agreement import agrees
from lorify.base.decoding.onnx.graph_files import open_cached, open_new, write_new
from lorify.base.decoding.onnx.quantized_products import OffGridError
from lorify.base.decoding.onnx.rows import StepSession
from lorify.base.decoding.onnx.step_graph import supports_graph
from lorify.base.decoding.onnx.updates import GraphUpdates, first_updates, wider_updates
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM

DECODING_VARIABLE = "LORIFY_DECODING"
"""Environment variable; `torch` turns decoding by ONNX Runtime off."""

_PACKAGES = ("onnx", "onnxruntime")
_log = logging.getLogger(__name__)


def find_session(base: BaseLM, lora: LoraBatch | None = None) -> StepSession | None:
    """Return a session of a base that takes the updates of a batch; None where PyTorch decodes.

    It is opened after some steps (see `lorify.base.kept_session`). Another one replaces it if a batch has updates in
    other layers.

    Args:
        base: the base.
        lora: the updates.
    """
    kept = base.decoding_session
    if not kept.is_due or os.environ.get(DECODING_VARIABLE) == "torch" or not _may_have_session(base):
        return None
    with kept.lock:
        key = _state(base)
        if kept.key != key:
            kept.key, kept.session = key, None
            kept.session = _open(base, first_updates(lora))
        elif kept.session is not None and not kept.session.updates.take(lora):
            updates, kept.session = wider_updates(kept.session.updates, lora, base.num_layers), None
            kept.session = _open(base, updates)
        return kept.session


def _may_have_session(base: BaseLM) -> bool:
    return (
        base.device.type == "cpu"
        and base.dtype == torch.float32
        and supports_graph(base)
        and all(importlib.util.find_spec(package) is not None for package in _PACKAGES)
    )


def _state(base: BaseLM) -> tuple[Any, ...]:
    """What a session depends on: the weights, which may be changed in place, and the number of threads."""
    head: Any = base.model.get_output_embeddings()
    versions = tuple(linear.weight._version for linear in (*base.linear_keys.values(), head))
    return versions, torch.get_num_threads()


def _open(base: BaseLM, updates: GraphUpdates) -> StepSession | None:
    """Open a session of a base; None if its weights do not lie on a quantization grid, or ONNX Runtime fails."""
    cached = open_cached(base, updates)
    if cached is not None and agrees(base, step := StepSession(cached, updates)):
        return step
    try:
        new = open_new(base, updates)
    except OffGridError:
        return None
    except Exception as error:  # ONNX Runtime has a class for each reason, such as a node that it lacks on this CPU
        _warn(base, failure_reason(error))
        return None
    step = StepSession(new.session, updates)
    if not agrees(base, step):
        _warn(base, "its logits are not those of PyTorch")
        return None
    write_new(base, updates, new)
    return step


def _warn(base: BaseLM, reason: str) -> None:
    _log.warning("ONNX Runtime cannot decode %s (%s); PyTorch decodes it, more slowly", base.name, reason)
