"""The decoding step of a Llama-like base as an ONNX graph.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lorify.base.decoding.onnx.graph_builder import BuiltGraph, GraphBuilder
from lorify.base.decoding.onnx.quantized_products import OffGridError, add_product
from lorify.base.model import BaseLM

LINEAR_GROUPS = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
"""Linear layers of a block that share their input; each group is one matrix of the graph."""


def lora_names(layer: int, group: Sequence[str]) -> tuple[str, str]:
    """Return the names of the graph's inputs for the update of a group of linear layers.

    `A` is `[in, R]` or `[N, in, R]`, `B` is `[R, out]` or `[N, R, out]`.
    """
    return f"A.{layer}.{group[0]}", f"B.{layer}.{group[0]}"


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


def build_step_graph(base: BaseLM) -> BuiltGraph | None:
    """Build the graph of one step: hidden states of the newest tokens to logits.

    Inputs: `x [N, D]`, `past_lengths [N]`, `total_length`, the keys and values of each block `[N, K, T, C]`, and the
    updates named by `lora_names`. Outputs: `logits`, and the keys and values with those of the newest tokens.

    Returns:
        The graph; None if some weights do not lie on a quantization grid.
    """
    try:
        return _StepGraph(base).build()
    except OffGridError:
        return None


class _StepGraph:
    """The layers of a base as nodes of a graph; methods return the name of what they compute."""

    def __init__(self, base: BaseLM) -> None:
        self._base = base
        self._graph = GraphBuilder()

    @torch.no_grad()
    def build(self) -> BuiltGraph:
        base, graph = self._base, self._graph
        decoder: Any = base.decoder
        blocks: list[Any] = list(base.blocks)
        self._add_inputs(decoder.rotary_emb)
        norm = blocks[0].input_layernorm
        x = graph.op(
            "SimplifiedLayerNormalization", "x", graph.constant(norm.weight), epsilon=float(norm.variance_epsilon)
        )
        residual = "x"
        for layer, block in enumerate(blocks):
            attended = self._attention(layer, block, x)
            x, residual = self._add_and_norm(residual, attended, block.post_attention_layernorm)
            following = blocks[layer + 1].input_layernorm if layer + 1 < len(blocks) else decoder.norm
            x, residual = self._add_and_norm(residual, self._feed_forward(layer, x), following)
        head: Any = base.model.get_output_embeddings()
        graph.node("Identity", [add_product(graph, x, [head.weight])], ["logits"])
        graph.output("logits", ["N", len(head.weight)])
        return graph.build("decoding-step")

    def _add_inputs(self, rotary: nn.Module) -> None:
        self._graph.input("x", ["N", self._base.hidden_size])
        self._graph.input("past_lengths", ["N"], whole=True)
        self._graph.input("total_length", [], whole=True)
        positions = torch.arange(self._base.window_tokens)[None]
        cos, sin = rotary(torch.zeros(1), positions)  # [1, T, C]
        half = cos.shape[-1] // 2
        self._graph.constant(cos[0, :, :half], "cos")
        self._graph.constant(sin[0, :, :half], "sin")

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

    def _add_and_norm(self, residual: str, x: str, norm: Any) -> tuple[str, str]:
        """Add `x` to the residual; return the normalized sum and the sum."""
        normed, total = self._graph.new_name(), self._graph.new_name()
        self._graph.node(
            "SkipSimplifiedLayerNormalization",
            [residual, x, self._graph.constant(norm.weight)],
            [normed, "", "", total],
            domain="com.microsoft",
            epsilon=float(norm.variance_epsilon),
        )
        return normed, total

    def _linear(self, layer: int, group: Sequence[str], x: str) -> str:
        """The outputs `[N, out]` of a group of linear layers with their updates, for `x [N, in]`."""
        graph = self._graph
        linears = [self._base.linear(layer, name) for name in group]
        width, size = linears[0].in_features, sum(linear.out_features for linear in linears)
        y = add_product(graph, x, [linear.weight for linear in linears])
        A, B = lora_names(layer, group)
        graph.input(A, None)
        graph.input(B, None)
        low = graph.op("MatMul", graph.reshape(x, -1, 1, width), A)
        return graph.op("Add", y, graph.reshape(graph.op("MatMul", low, B), -1, size))
