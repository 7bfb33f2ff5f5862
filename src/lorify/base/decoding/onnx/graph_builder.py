"""Build an ONNX graph node by node."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lorify.base.decoding.onnx.constants import WEIGHTS_NAME, Constants

_OPSET, _IR_VERSION = 21, 10


class GraphBuilder:
    """A graph that grows node by node. Most methods return the name of what a node computes."""

    def __init__(self, constants: Constants) -> None:
        """Start empty.

        Args:
            constants: the large constants, which stay in their file.
        """
        import onnx  # only where a graph is built: most processes find it in the cache

        self.constants = constants
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._tensors: dict[str, Any] = {}
        self._numbers = itertools.count()

    def build(self, name: str) -> bytes:
        """Return the graph as a serialized `ModelProto`, which refers to the file of the constants.

        Args:
            name: name of the graph.
        """
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._tensors.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString()

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
        """Add a list of whole numbers of 64 bits."""
        return self.inline(f"whole numbers {values}", np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a number."""
        return self.inline(f"number {value}", np.array(value, np.float32))

    def inline(self, name: str, values: np.ndarray) -> str:
        """Add a small constant, unless there is one of this name."""
        if name not in self._tensors:
            self._tensors[name] = self._onnx.numpy_helper.from_array(values, name)
        return name

    def constant(self, name: str) -> str:
        """Refer to a constant of the file."""
        proto, entry = self._onnx.TensorProto, self.constants[name]
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(entry.dtype))
        tensor = proto(name=name, data_type=kind, dims=entry.shape, data_location=proto.EXTERNAL)
        for key, value in {"location": WEIGHTS_NAME, "offset": entry.offset, "length": entry.num_bytes}.items():
            tensor.external_data.add(key=key, value=str(value))
        self._tensors[name] = tensor
        return name

    def new_name(self) -> str:
        """Return a name that is not taken yet."""
        return f"t{next(self._numbers)}"
