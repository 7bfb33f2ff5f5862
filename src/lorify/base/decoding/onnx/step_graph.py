"""The decoding step of a Llama-like base as an ONNX graph.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lorify.base.decoding.onnx.constants import Constants
from lorify.base.decoding.onnx.graph_builder import GraphBuilder
from lorify.base.decoding.onnx.quantized_products import SplitInput, add_matrix, add_product, level_bytes, multiply
from lorify.base.decoding.onnx.updates import LINEAR_GROUPS, GraphUpdates, Group, constant_factor_name, factor_names
from lorify.base.model import BaseLM
from lorify.base.weight_grids import GROUP, find_row_grid


def supports_graph(base: BaseLM) -> bool:
    """Return whether `build_step_graph` knows the layers of a base; their weights are not looked at."""
    if not base.architecture.has_fast_decoding:
        return False
    linears = [*base.linear_keys.values(), base.model.get_output_embeddings()]
    blocks: list[Any] = list(base.blocks)
    return (
        base.model.config.hidden_act == "silu"
        and {name for _, name in base.linear_keys} == {name for group in LINEAR_GROUPS for name in group}
        and all(isinstance(linear, nn.Linear) and linear.bias is None for linear in linears)
        and all(not hasattr(block.self_attn, "q_norm") for block in blocks)
    )


def build_step_graph(base: BaseLM, constants: Constants, updates: GraphUpdates) -> bytes:
    """Build the graph of one step: hidden states of the newest tokens to logits.

    Inputs: `x [N, D]`, `past_lengths [N]`, `total_length`, the keys and values of each block `[N, K, T, C]`, and the
    updates (see `lorify.base.decoding.onnx.updates`). Outputs: `logits`, and the keys and values with those of the
    newest tokens.

    Args:
        base: the base.
        constants: its weights; those that are missing are added.
        updates: the updates that the graph takes.

    Returns:
        The graph as a serialized `ModelProto`.

    Raises:
        OffGridError: if some weights do not lie on a quantization grid.
    """
    return _StepGraph(base, constants, updates).build()


class _StepGraph:
    """The layers of a base as nodes of a graph; methods return the name of what they compute."""

    def __init__(self, base: BaseLM, constants: Constants, updates: GraphUpdates) -> None:
        self._base = base
        self._updates = updates
        self._graph = GraphBuilder(constants)

    @torch.no_grad()
    def build(self) -> bytes:
        base, graph = self._base, self._graph
        decoder: Any = base.decoder
        blocks: list[Any] = list(base.blocks)
        self._add_inputs(decoder.rotary_emb)
        first = blocks[0].input_layernorm
        weight = self._constant("norm.first", first.weight)
        x = graph.op("SimplifiedLayerNormalization", "x", weight, epsilon=float(first.variance_epsilon))
        residual = "x"
        for layer, block in enumerate(blocks):
            attended = self._attention(layer, block, x)
            x, residual = self._add_and_norm(residual, attended, f"norm.{layer}", block.post_attention_layernorm)
            following = blocks[layer + 1].input_layernorm if layer + 1 < len(blocks) else decoder.norm
            x, residual = self._add_and_norm(residual, self._feed_forward(layer, x), f"next.{layer}", following)
        head: Any = base.model.get_output_embeddings()
        add_matrix(graph.constants, "head", [head.weight])
        graph.node("Identity", [add_product(graph, SplitInput(graph, x, base.hidden_size), "head")], ["logits"])
        graph.output("logits", ["N", len(head.weight)])
        return graph.build("decoding-step")

    def _add_inputs(self, rotary: nn.Module) -> None:
        self._graph.input("x", ["N", self._base.hidden_size])
        self._graph.input("past_lengths", ["N"], whole=True)
        self._graph.input("total_length", [], whole=True)
        cos, sin = rotary(torch.zeros(1), torch.arange(self._base.window_tokens)[None])  # [1, T, C]
        half = cos.shape[-1] // 2
        self._constant("cos", cos[0, :, :half])
        self._constant("sin", sin[0, :, :half])

    def _attention(self, layer: int, block: Any, x: str) -> str:
        graph, attention = self._graph, block.self_attn
        kv_heads, channels = self._base.model.config.num_key_value_heads, attention.head_dim
        size = sum(self._base.linear(layer, name).out_features for name in LINEAR_GROUPS[0])
        joined = graph.reshape(self._linear(layer, LINEAR_GROUPS[0], x), -1, 1, size)
        cache = [f"keys.{layer}", f"values.{layer}"]
        for name in cache:
            graph.input(name, ["N", kv_heads, "T", channels])
            graph.output(f"new.{name}", ["N", kv_heads, "T", channels])
        attended = graph.node(
            "GroupQueryAttention",
            [joined, "", "", *cache, "past_lengths", "total_length", "cos", "sin"],
            [f"attended.{layer}", *(f"new.{name}" for name in cache)],
            domain="com.microsoft",
            num_heads=size // channels - 2 * kv_heads,
            kv_num_heads=kv_heads,
            scale=float(attention.scaling),
            do_rotary=1,
        )
        width = self._base.linear(layer, "o_proj").in_features
        return self._linear(layer, LINEAR_GROUPS[1], graph.reshape(attended, -1, width))

    def _feed_forward(self, layer: int, x: str) -> str:
        graph = self._graph
        joined = self._linear(layer, LINEAR_GROUPS[2], x)
        gate, up = f"gate.{layer}", f"up.{layer}"
        graph.node("Split", [joined], [gate, up], axis=-1, num_outputs=2)
        # With alpha 1, QuickGelu is SiLU.
        activated = graph.op("QuickGelu", gate, domain="com.microsoft", alpha=1.0)
        return self._linear(layer, LINEAR_GROUPS[3], graph.op("Mul", activated, up))

    def _add_and_norm(self, residual: str, x: str, name: str, norm: Any) -> tuple[str, str]:
        """Add `x` to the residual; return the normalized sum and the sum."""
        normed, total = self._graph.new_name(), self._graph.new_name()
        self._graph.node(
            "SkipSimplifiedLayerNormalization",
            [residual, x, self._constant(name, norm.weight)],
            [normed, "", "", total],
            domain="com.microsoft",
            epsilon=float(norm.variance_epsilon),
        )
        return normed, total

    def _linear(self, layer: int, names: Sequence[str], x: str) -> str:
        """The outputs `[N, out]` of a group of linear layers with their updates, for `x [N, in]`."""
        linears = [self._base.linear(layer, name) for name in names]
        group, size = (layer, names[0]), sum(linear.out_features for linear in linears)
        matrix = f"{layer}.{names[0]}"
        add_matrix(self._graph.constants, matrix, [linear.weight for linear in linears])
        split = SplitInput(self._graph, x, linears[0].in_features)
        y = add_product(self._graph, split, matrix)
        if group in self._updates.constant:
            low = self._constant_low(group, split, self._updates.constant[group])
            y = self._updated(y, low, self._graph.input(constant_factor_name(group), None), size)
        if group in self._updates.free:
            A, B = (self._graph.input(name, None) for name in factor_names(group))
            low = self._graph.op("MatMul", self._graph.reshape(x, -1, 1, split.width), A)
            y = self._updated(y, low, B, size)
        return y

    def _constant_low(self, group: Group, split: SplitInput, A: Tensor) -> str:
        """The product `[N, 1, R]` with a constant `A [R, in]`."""
        graph, grid = self._graph, find_row_grid(A)
        assert grid is not None
        name, rank = f"constant.A.{group[0]}.{group[1]}", len(A)
        levels = graph.inline(f"{name}.levels", level_bytes(grid.levels.view(rank, -1, GROUP), 8))
        steps = graph.inline(f"{name}.step", grid.step.flatten().repeat_interleave(split.width // GROUP).numpy())
        return graph.reshape(multiply(graph, split, levels, steps, rank, 8), -1, 1, rank)

    def _updated(self, y: str, low: str, B: str, size: int) -> str:
        """Add the product of `low [N, 1, R]` and a factor `B` to outputs `y [N, size]`."""
        return self._graph.op("Add", y, self._graph.reshape(self._graph.op("MatMul", low, B), -1, size))

    def _constant(self, name: str, values: Tensor) -> str:
        if name not in self._graph.constants:
            self._graph.constants.add(name, values)
        return self._graph.constant(name)
