"""The cached files of graphs: the constants of a base, and a graph for each set of updates."""

from __future__ import annotations

import contextlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lorify.atomic import replaced_file
from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.decoding.onnx.constants import WEIGHTS_NAME, Constants
from lorify.base.decoding.onnx.quantized_products import check_samples
from lorify.base.decoding.onnx.step_graph import build_step_graph
from lorify.base.decoding.onnx.updates import GraphUpdates
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions

GRAPH_VERSION = 1
"""Version of the cached files, to be raised when the graph changes."""
_log = logging.getLogger(__name__)


def graph_folder(base: BaseLM) -> Path:
    """Return the cache folder of the graphs of a base."""
    return cache_dir() / "decoding" / f"{base.digest[:32]}-{GRAPH_VERSION}"


def open_cached(base: BaseLM, updates: GraphUpdates) -> InferenceSession | None:
    """Open a graph whose constants are in the cache; None if they are not there or damaged."""
    folder = graph_folder(base)
    constants = Constants.read(folder)
    if constants is None:
        return None
    path = folder / f"{updates.digest()}.onnx"
    try:
        if path.is_file():
            return _session(str(path), _options())
        graph = build_step_graph(base, constants, updates)
        with contextlib.suppress(OSError), replaced_file(path) as temporary:
            temporary.write_bytes(graph)
        if path.is_file():
            return _session(str(path), _options())
        return _session_in_memory(graph, (folder / WEIGHTS_NAME).read_bytes())
    except Exception:  # ONNX Runtime has a class for each way in which a file can be damaged
        return None


@dataclass(frozen=True)
class NewGraph:
    """A graph that has been built from the weights of a base, open but not yet in the cache."""

    session: InferenceSession
    graph: bytes
    constants: Constants


def open_new(base: BaseLM, updates: GraphUpdates) -> NewGraph:
    """Build a graph from the weights of a base and open it.

    Raises:
        OffGridError: if some weights do not lie on a quantization grid.
    """
    check_samples(linear.weight for linear in base.linear_keys.values())
    constants = Constants()
    graph = build_step_graph(base, constants, updates)
    return NewGraph(_session_in_memory(graph, constants.content), graph, constants)


def write_new(base: BaseLM, updates: GraphUpdates, new: NewGraph) -> None:
    """Write the files of a graph for the next time; warn if they cannot be written."""
    folder = graph_folder(base)

    def write(to: Path) -> None:
        new.constants.write(to)
        (to / f"{updates.digest()}.onnx").write_bytes(new.graph)

    try:
        shutil.rmtree(folder, ignore_errors=True)
        build_cached_folder(folder, write, lambda _: Constants.read(folder) is not None, BaseModelError)
    except BaseModelError as error:
        _log.warning("%s; until then, the first answer of each run takes seconds longer", error)


def _session_in_memory(graph: bytes, weights: bytes) -> InferenceSession:
    options = _options()
    options.add_external_initializers_from_files_in_memory([WEIGHTS_NAME], [weights], [len(weights)])
    return _session(graph, options)


def _session(model: str | bytes, options: SessionOptions) -> InferenceSession:
    """Open a session of a file or of its content."""
    from onnxruntime import InferenceSession  # only those who decode with it wait for its import

    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _options() -> SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()  # pyright: ignore[reportAttributeAccessIssue]
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in `lorify.threads`
    return options
