"""The ONNX Runtime session of a base: opened from lorify's cache, or from a graph that is built and cached."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.decoding.onnx.agreement import agrees
from lorify.base.decoding.onnx.graph_builder import WEIGHTS_NAME, BuiltGraph
from lorify.base.decoding.onnx.step_graph import build_step_graph, supports_graph
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

GRAPH_VERSION = 1
"""Version of the cached files, to be raised when the graph changes."""
DECODING_VARIABLE = "LORIFY_DECODING"
"""Environment variable; `torch` turns decoding by ONNX Runtime off."""

_GRAPH_NAME, _SIZE_NAME = "step.onnx", "size.txt"
_log = logging.getLogger(__name__)


def find_session(base: BaseLM) -> InferenceSession | None:
    """Return the session of a base, opened on first use; None where PyTorch decodes."""
    if os.environ.get(DECODING_VARIABLE) == "torch" or not _may_have_session(base):
        return None
    # The weights of a base can be changed in place, which the session would not notice.
    versions = tuple(linear.weight._version for linear in _linears(base))
    return base.decoding_session.get((versions, torch.get_num_threads()), lambda: _open(base))


def graph_folder(base: BaseLM) -> Path:
    """Return the cache folder of the graph of a base."""
    return cache_dir() / "decoding" / f"{base.digest[:32]}-{GRAPH_VERSION}"


def _may_have_session(base: BaseLM) -> bool:
    packages = ("onnx", "onnxruntime")
    return (
        base.device.type == "cpu"
        and base.dtype == torch.float32
        and supports_graph(base)
        and all(importlib.util.find_spec(package) is not None for package in packages)
    )


def _linears(base: BaseLM) -> list[Any]:
    head: nn.Module = base.model.get_output_embeddings()
    return [*base.linear_keys.values(), head]


def _open(base: BaseLM) -> InferenceSession | None:
    """Open the session of a base; None if its weights do not lie on a quantization grid."""
    folder = graph_folder(base)
    session = _cached_session(base, folder)
    if session is not None:
        return session
    graph = build_step_graph(base)
    if graph is None:
        return None
    session = _session_in_memory(graph)
    if not agrees(base, session):
        _log.warning("ONNX Runtime computes other logits for %s than PyTorch, which decodes instead", base.name)
        return None
    try:
        build_cached_folder(folder, lambda to: _write(graph, to), _is_complete, BaseModelError)
    except BaseModelError as error:
        _log.warning("%s; until then, the first answer of each run takes seconds longer", error)
    return session


def _cached_session(base: BaseLM, folder: Path) -> InferenceSession | None:
    """Open a session from the cache; None if there is none, and a damaged one is removed."""
    if _is_complete(folder):
        try:
            session = _session(str(folder / _GRAPH_NAME), _options())
            if agrees(base, session):
                return session
        except Exception:  # ONNX Runtime has a class for each way in which a file can be damaged
            pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _session_in_memory(graph: BuiltGraph) -> InferenceSession:
    options = _options()
    content = b"".join(graph.weights)
    options.add_external_initializers_from_files_in_memory([WEIGHTS_NAME], [content], [len(content)])
    return _session(graph.model, options)


def _session(model: str | bytes, options: SessionOptions) -> InferenceSession:
    """Open a session of a file or of its content."""
    from onnxruntime import InferenceSession  # only those who decode with it wait for its import

    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _options() -> SessionOptions:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in `lorify.threads`
    return options


def _write(graph: BuiltGraph, folder: Path) -> None:
    with (folder / WEIGHTS_NAME).open("wb") as file:
        file.writelines(graph.weights)
    (folder / _GRAPH_NAME).write_bytes(graph.model)
    (folder / _SIZE_NAME).write_text(str((folder / WEIGHTS_NAME).stat().st_size))


def _is_complete(folder: Path) -> bool:
    """Whether a folder has its files, and the weights in full."""
    try:
        return (folder / _GRAPH_NAME).is_file() and (folder / WEIGHTS_NAME).stat().st_size == int(
            (folder / _SIZE_NAME).read_text()
        )
    except (OSError, ValueError):
        return False
