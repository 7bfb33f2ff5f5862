"""Build an ONNX graph node by node, with its large constants in a file of their own that is mapped into memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from onnx import TensorProto

WEIGHTS_NAME = "weights.bin"
_OPSET, _IR_VERSION = 21, 10
_ALIGNMENT = 4096  # of constants in the file, as memory is mapped by pages
_MOST_INLINE_BYTES = 1024


@dataclass(frozen=True)
class BuiltGraph:
    """A graph and its large constants.

    Attributes:
        model: serialized `ModelProto`, which refers to the constants by their offsets in a file `weights.bin`.
        weights: the parts of that file, in order.
    """

    model: bytes
    weights: list[bytes]


class GraphBuilder:
    """A graph that grows node by node. Most methods return the name of what a node computes."""

    def __init__(self) -> None:
        """Start empty."""
        import onnx  # only where a graph is built: most processes find it in the cache

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[str, TensorProto] = {}
        self._small: dict[tuple[Any, ...], str] = {}
        self._weights: list[bytes] = []
        self._num_bytes = 0
        self._numbers = itertools.count()

    def build(self, name: str) -> BuiltGraph:
        """Return the graph.

        Args:
            name: name of the graph.
        """
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return BuiltGraph(model.SerializeToString(), self._weights)

    def input(self, name: str, shape: Sequence[int | str] | None, *, whole: bool = False) -> str:
        """Declare an input, in float32 or as whole numbers of 32 bits; `shape` is None for any number of dimensions."""
        kind = self._onnx.TensorProto.INT32 if whole else self._onnx.TensorProto.FLOAT
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: Sequence[int | str]) -> None:
        """Declare an output in float32."""
        kind = self._onnx.TensorProto.FLOAT
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, kind, shape))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.node(kind, inputs, [self.new_name()], **attributes)

    def node(self, kind: str, inputs: Sequence[str], outputs: list[str], **attributes: Any) -> str:
        """Add a node and return its first output; an empty name leaves out an input or output."""
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; a size may be -1."""
        return self.op("Reshape", x, self.whole_numbers(*shape))

    def whole_numbers(self, *values: int) -> str:
        """Add a constant list of whole numbers of 64 bits."""
        return self._shared(values, np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a constant number."""
        return self._shared((value, "float"), np.array(value, np.float32))

    def constant(self, values: Tensor | np.ndarray, name: str | None = None) -> str:
        """Add a constant; tensors are stored in float32."""
        array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values
        name = name or self.new_name()
        content = np.ascontiguousarray(array).tobytes()
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        if len(content) <= _MOST_INLINE_BYTES:
            tensor = self._onnx.helper.make_tensor(name, kind, array.shape, content, raw=True)
        else:
            tensor = self._external(name, kind, array.shape, content)
        self._constants[name] = tensor
        return name

    def new_name(self) -> str:
        """Return a name that is not taken yet."""
        return f"t{next(self._numbers)}"

    def _shared(self, key: tuple[Any, ...], values: np.ndarray) -> str:
        if key not in self._small:
            self._small[key] = self.constant(values)
        return self._small[key]

    def _external(self, name: str, kind: int, shape: Sequence[int], content: bytes) -> TensorProto:
        proto = self._onnx.TensorProto
        tensor = proto(name=name, data_type=kind, dims=shape, data_location=proto.EXTERNAL)
        place = {"location": WEIGHTS_NAME, "offset": self._num_bytes, "length": len(content)}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        padded = content + bytes(-len(content) % _ALIGNMENT)
        self._weights.append(padded)
        self._num_bytes += len(padded)
        return tensor
