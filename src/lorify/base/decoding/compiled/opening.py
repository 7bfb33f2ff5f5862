"""Open the compiled loops of a base, from the cache or from its weights."""

from __future__ import annotations

import logging

from lorify.base.decoding.compiled.agreement import agrees
from lorify.base.decoding.compiled.layout import OffGridError
from lorify.base.decoding.compiled.rows import CompiledStep
from lorify.base.decoding.compiled.weights import build_constants, matrices_of, read_matrices, write_constants
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

_log = logging.getLogger(__name__)


def open_step(base: BaseLM) -> CompiledStep | None:
    """Return the compiled loops of a base; None if its weights do not lie on a quantization grid.

    Raises:
        BaseModelError: if their logits differ from PyTorch's.
    """
    cached = read_matrices(base)
    if cached is not None and agrees(base, step := CompiledStep(cached)):
        return step
    try:
        constants = build_constants(base)
    except OffGridError:
        return None
    step = CompiledStep(matrices_of(base, constants))
    if not agrees(base, step):
        raise BaseModelError("compiled loops do not have the logits of PyTorch")
    try:
        write_constants(base, constants)
    except BaseModelError as error:
        _log.warning("%s; until then, the first answer of each run takes seconds longer", error)
    return step
