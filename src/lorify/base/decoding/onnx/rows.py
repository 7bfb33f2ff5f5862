"""Rows of a batch that ONNX Runtime decodes.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lorify.base.decoding.onnx.updates import GraphUpdates, update_inputs
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOST_ROWS = 32  # larger batches have not been found to be faster than by PyTorch


@dataclass(frozen=True)
class StepSession:
    """A session of ONNX Runtime that decodes a token of each row, and the updates that it takes."""

    session: InferenceSession
    updates: GraphUpdates


class OnnxRows:
    """Rows in adjacent slots, bound to the inputs and outputs of a session. Keys and values are written in place."""

    def __init__(
        self, base: BaseLM, step: StepSession, lora: LoraBatch | None, keys: Sequence[Tensor], values: Sequence[Tensor]
    ) -> None:
        """Bind the buffers.

        Args:
            base: the base.
            step: a session of the base that takes the updates.
            lora: the updates of the rows.
            keys: cached keys of each block `[N, K, T, C]`.
            values: cached values of each block, of the same shape.
        """
        head: Any = base.model.get_output_embeddings()
        self._session = step.session
        self._binding = step.session.io_binding()
        self._tensors: list[Tensor] = []  # kept alive while they are bound
        num_rows = len(keys[0])
        self._x = torch.zeros(num_rows, base.hidden_size)
        self._past = torch.zeros(num_rows, dtype=torch.int32)
        self._total = torch.zeros((), dtype=torch.int32)
        self._logits = torch.zeros(num_rows, len(head.weight))
        self._bind_input("x", self._x)
        self._bind_input("past_lengths", self._past)
        self._bind_input("total_length", self._total)
        self._bind_output("logits", self._logits)
        for layer in range(base.num_layers):
            for name, buffer in ((f"keys.{layer}", keys[layer]), (f"values.{layer}", values[layer])):
                self._bind_input(name, buffer)
                self._bind_output(f"new.{name}", buffer)
        for name, tensor in update_inputs(base, step.updates, lora):
            self._bind_input(name, tensor)

    def step(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Decode one token of each row.

        Args:
            x: embeddings of the tokens `[N, D]`.
            lengths: number of cached tokens of each row.

        Returns:
            Logits `[N, V]` of the next tokens.
        """
        self._x.copy_(x)
        self._past.copy_(torch.tensor(lengths, dtype=torch.int32))
        self._total.fill_(max(lengths) + 1)
        self._session.run_with_iobinding(self._binding)
        return self._logits.clone()

    def _bind_input(self, name: str, tensor: Tensor) -> None:
        self._tensors.append(tensor)
        kind = np.int32 if tensor.dtype == torch.int32 else np.float32
        self._binding.bind_input(name, "cpu", 0, kind, list(tensor.shape), tensor.data_ptr())

    def _bind_output(self, name: str, tensor: Tensor) -> None:
        self._binding.bind_output(name, "cpu", 0, np.float32, list(tensor.shape), tensor.data_ptr())
