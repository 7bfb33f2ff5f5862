"""Decoding with the base model: batches of prompts, and one prompt token by token.

The prompt goes through the Hugging Face model. Each further token goes through `_LeanStep`: the same arithmetic on
the same weight tensors, without the cost of its modules, masks and hooks, which at batch 1 is most of the time of a
small model. Architectures that `_LeanStep` does not cover decode through the Hugging Face model throughout.

Shapes: N rows of the batch, T positions, D hidden size, H query heads, K key/value heads, C channels of a head,
R rank of an update, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseModel
from lorify.base.packed_weights import MOST_ROWS, PackedWeight, pack_eight_bits, pack_four_bits

LEAN_ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
_GROWTH_TOKENS = 256  # the cache grows by at least so much, so that it is seldom copied
_SMALL_RANK = 64  # updates up to this rank are faster in float32, for one row


def generate_batch(
    base: BaseModel,
    prompts: Sequence[Sequence[int]],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> list[list[int]]:
    """Continue a batch of prompts, until every row has stopped.

    Args:
        base: the base model.
        prompts: token ids of each row, at least one a row; lengths may differ.
        lora: the update of each row, or None.
        max_new_tokens: longest continuation, in tokens.
        stop_ids: tokens that end a row; they are not returned.
        temperature: 0 is greedy.
        top_p: sample from the likeliest tokens that together have this probability.
        seed: makes sampling reproducible.

    Returns:
        The new tokens of each row.
    """
    rows: list[list[int]] = [[] for _ in prompts]
    live = set(range(len(rows)))
    for tokens in _decode(base, prompts, lora, max_new_tokens, _Sampler(base.device, temperature, top_p, seed)):
        live = {row for row in live if tokens[row] not in stop_ids}
        for row in live:
            rows[row].append(tokens[row])
        if not live:
            break
    return rows


def stream_tokens(
    base: BaseModel,
    prompt: Sequence[int],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> Iterator[int]:
    """Continue one prompt and yield each token as it comes; arguments as for `generate_batch`."""
    for tokens in _decode(base, [prompt], lora, max_new_tokens, _Sampler(base.device, temperature, top_p, seed)):
        if tokens[0] in stop_ids:
            return
        yield tokens[0]


def _decode(
    base: BaseModel, prompts: Sequence[Sequence[int]], lora: LoraBatch | None, max_new_tokens: int, sampler: _Sampler
) -> Iterator[list[int]]:
    """One list of tokens (one a row) per step; nothing stays set between steps."""
    if not prompts or max_new_tokens < 1:
        return
    ids, mask = _left_padded(prompts, base.device)
    cache = DynamicCache(config=base.model.config)
    lean = covers(base, ids.shape[1] + max_new_tokens)
    with torch.inference_mode():
        tokens = sampler(_prefill(base, ids, mask, cache, lora))
        step: _Step = _LeanStep(base, cache, mask, lora) if lean else _ModelStep(base, cache, mask, lora)
    yield tokens.tolist()
    for _ in range(max_new_tokens - 1):
        with torch.inference_mode():
            tokens = sampler(step(tokens))
        yield tokens.tolist()


def covers(base: BaseModel, num_tokens: int) -> bool:
    """Whether the lean step computes what the Hugging Face model does, for sequences of up to `num_tokens`."""
    if type(base.model).__name__ not in LEAN_ARCHITECTURES:
        return False
    config = base.model.config
    # These two change the rotation of earlier positions as a sequence grows.
    if config.rope_parameters["rope_type"] in ("dynamic", "longrope"):
        return False
    # A window that no sequence outgrows hides nothing.
    layer_types = getattr(config, "layer_types", None) or ["sliding_attention"]
    window = getattr(config, "sliding_window", None) if "sliding_attention" in layer_types else None
    return window is None or num_tokens <= window


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both `[N, T]`."""
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _prefill(base: BaseModel, ids: Tensor, mask: Tensor, cache: DynamicCache, lora: LoraBatch | None) -> Tensor:
    """Fill `cache` with the prompts and return the logits `[N, V]` of their last positions."""
    with base.hooks.applied(lora):
        output = base.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            **_cache_argument(base, cache),
            use_cache=True,
            logits_to_keep=1,
        )
    return output.logits[:, -1]


def _cache_argument(base: BaseModel, cache: DynamicCache) -> dict[str, DynamicCache]:
    """The cache under the name that this version of transformers gives it: `past_key_values` up to 5.23."""
    known = inspect.signature(base.model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


class _Step(Protocol):
    """Feeds one token per row `[N]` and returns the logits of the next `[N, V]`."""

    def __call__(self, tokens: Tensor) -> Tensor: ...


class _ModelStep:
    """A step through the Hugging Face model."""

    def __init__(self, base: BaseModel, cache: DynamicCache, mask: Tensor, lora: LoraBatch | None) -> None:
        self.base = base
        self.cache = cache
        self.mask = mask
        self.lora = lora

    def __call__(self, tokens: Tensor) -> Tensor:
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        with self.base.hooks.applied(self.lora):
            output = self.base.model(
                input_ids=tokens[:, None],
                attention_mask=self.mask,
                position_ids=self.mask.sum(-1, keepdim=True) - 1,
                **_cache_argument(self.base, self.cache),
                use_cache=True,
            )
        return output.logits[:, -1]


class _LeanStep:
    """A step written directly on the weights of a Llama-like model (`LEAN_ARCHITECTURES`).

    Keys and values lie in buffers that are written in place. The query heads that share a key/value head are laid
    out as if they were positions, so that attention needs no copies of the keys.
    """

    def __init__(self, base: BaseModel, cache: DynamicCache, mask: Tensor, lora: LoraBatch | None) -> None:
        decoder: Any = base.model.get_decoder()
        head: Any = base.model.get_output_embeddings()
        layers: list[Any] = cache.layers
        self.embedding: Tensor = decoder.embed_tokens.weight
        self.rotary: nn.Module = decoder.rotary_emb
        self.norm = _Norm.of(decoder.norm)
        self.head: Tensor = head.weight
        self.blocks = [_Block.of(base, index, lora, len(mask)) for index in range(base.num_layers)]
        self.keys: list[Tensor] = [layer.keys for layer in layers]  # each [N, K, T, C]
        self.values: list[Tensor] = [layer.values for layer in layers]
        self.length = mask.shape[1]
        self.positions = mask.sum(-1, keepdim=True)  # [N, 1]
        # [N, 1, 1, T]: True where there is a token. Without padding there is nothing to hide.
        self.mask = None if bool(mask.all()) else mask.bool()[:, None, None]

    def __call__(self, tokens: Tensor) -> Tensor:
        if self.length == self.keys[0].shape[2]:
            self._grow()
        self.length += 1
        x = F.embedding(tokens, self.embedding)  # [N, D]
        cos, sin = self.rotary(x, self.positions)  # [N, 1, C]
        sin = _signed(sin)
        mask = None if self.mask is None else self.mask[..., : self.length]
        for block, keys, values in zip(self.blocks, self.keys, self.values, strict=True):
            x = x + block.attend(block.input_norm(x), cos, sin, keys, values, self.length, mask)
            x = x + block.feed_forward(block.feed_forward_norm(x))
        self.positions = self.positions + 1
        return F.linear(self.norm(x), self.head)

    def _grow(self) -> None:
        """Make room for as many tokens as there are, at least `_GROWTH_TOKENS`."""
        room = max(self.length, _GROWTH_TOKENS)
        for buffers in (self.keys, self.values):
            for layer, buffer in enumerate(buffers):
                rows, heads, length, channels = buffer.shape
                grown = buffer.new_empty(rows, heads, length + room, channels)
                grown[:, :, :length] = buffer
                buffers[layer] = grown
        if self.mask is not None:
            self.mask = F.pad(self.mask, (0, room), value=True)


@dataclass(frozen=True)
class _Norm:
    """Root-mean-square normalisation."""

    weight: Tensor
    epsilon: float

    @classmethod
    def of(cls, module: Any) -> _Norm:
        return cls(module.weight, module.variance_epsilon)

    def __call__(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class _Linears:
    """Linear layers that read the same input, with the update of each row.

    Weights on a 4-bit grid are packed into one matrix where that is faster; for a single row the updates of all layers
    then are one product of two matrices.
    """

    def __init__(self, linears: Sequence[nn.Linear], loras: Sequence[LoraTensors | None], rows: int) -> None:
        self.linears = linears
        self.sizes = [linear.out_features for linear in linears]
        few = rows <= MOST_ROWS and all(linear.bias is None for linear in linears)
        self.packed = pack_four_bits([linear.weight for linear in linears]) if few else None
        weight = linears[0].weight
        self.loras = [None if lora is None else LoraTensors(lora.A.to(weight), lora.B.to(weight)) for lora in loras]
        self.joint = _JointUpdate.of(loras, self.sizes, weight) if self.packed is not None and rows == 1 else None

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """`x [N, in]` -> the output `[N, out]` of each layer."""
        if self.packed is None:
            outputs = [F.linear(x, linear.weight, linear.bias) for linear in self.linears]
        else:
            y = self.packed(x)
            if self.joint is not None:
                return self.joint(x, y).split(self.sizes, dim=-1)
            outputs = y.split(self.sizes, dim=-1)
        return [y if lora is None else _updated(y, x, lora) for y, lora in zip(outputs, self.loras, strict=True)]


def _updated(y: Tensor, x: Tensor, lora: LoraTensors) -> Tensor:
    """Output `y [N, out]` of a linear layer for `x [N, in]`, with `A [R, in]` or `[N, R, in]`, `B [N or 1, R, out]`."""
    A, B = lora.A, lora.B
    low = F.linear(x, A) if A.dim() == 2 else torch.bmm(A.expand(len(x), -1, -1), x[:, :, None])[..., 0]  # [N, R]
    if len(B) == 1:
        return torch.addmm(y, low, B[0])
    return torch.baddbmm(y[:, None], low[:, None], B)[:, 0]


@dataclass(frozen=True)
class _JointUpdate:
    """The updates of several linear layers for one row: `A [R, in]`, `B [R, out]` over the outputs of all of them."""

    A: Tensor | PackedWeight
    B: Tensor

    @classmethod
    def of(cls, loras: Sequence[LoraTensors | None], sizes: Sequence[int], weight: Tensor) -> _JointUpdate | None:
        present = [lora for lora in loras if lora is not None]
        if not present:
            return None
        A = torch.cat([lora.A.reshape(-1, lora.A.shape[-1]) for lora in present])
        B = A.new_zeros(len(A), sum(sizes))
        row = column = 0
        for lora, size in zip(loras, sizes, strict=True):
            if lora is not None:
                rank = lora.B.shape[1]
                B[row : row + rank, column : column + size] = lora.B[0]
                row += rank
            column += size
        if len(A) <= _SMALL_RANK:
            return cls(A.float(), B.float())
        return cls(pack_eight_bits(A.to(weight)) or A.to(weight), B.to(weight))

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The outputs `y [1, out]` for `x [1, in]`, updated."""
        if isinstance(self.A, PackedWeight):
            return torch.addmm(y, self.A(x), self.B)
        if self.A.dtype == x.dtype:
            return torch.addmm(y, F.linear(x, self.A), self.B)
        return y + (F.linear(x.float(), self.A) @ self.B).to(y.dtype)


@dataclass(frozen=True)
class _Block:
    """The tensors of one transformer block."""

    input_norm: _Norm
    query_key_value: _Linears
    output: _Linears
    query_norm: _Norm | None
    key_norm: _Norm | None
    feed_forward_norm: _Norm
    gate_up: _Linears
    down: _Linears
    activation: nn.Module
    scaling: float

    @classmethod
    def of(cls, base: BaseModel, index: int, lora: LoraBatch | None, rows: int) -> _Block:
        def linears(*names: str) -> _Linears:
            updates = [(lora or {}).get((index, name)) for name in names]
            return _Linears([base.linear(index, name) for name in names], updates, rows)

        block: Any = base.blocks[index]
        attention = block.self_attn
        has_head_norms = hasattr(attention, "q_norm")
        return cls(
            input_norm=_Norm.of(block.input_layernorm),
            query_key_value=linears("q_proj", "k_proj", "v_proj"),
            output=linears("o_proj"),
            query_norm=_Norm.of(attention.q_norm) if has_head_norms else None,
            key_norm=_Norm.of(attention.k_norm) if has_head_norms else None,
            feed_forward_norm=_Norm.of(block.post_attention_layernorm),
            gate_up=linears("gate_proj", "up_proj"),
            down=linears("down_proj"),
            activation=block.mlp.act_fn,
            scaling=attention.scaling,
        )

    def attend(
        self, x: Tensor, cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, length: int, mask: Tensor | None
    ) -> Tensor:
        """Attention of the newest position `x [N, D]`, whose key and value are written at `length - 1`."""
        rows, kv_heads, _, channels = keys.shape
        query, key, value = self.query_key_value(x)
        query = query.reshape(rows, -1, channels)  # [N, H, C]
        key = key.reshape(rows, kv_heads, channels)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        keys[:, :, length - 1] = _rotated(key, cos, sin)
        values[:, :, length - 1] = value.reshape(rows, kv_heads, channels)
        attended = F.scaled_dot_product_attention(
            _rotated(query, cos, sin).view(rows, kv_heads, -1, channels),
            keys[:, :, :length],
            values[:, :, :length],
            attn_mask=mask,
            scale=self.scaling,
        )
        return self.output(attended.reshape(rows, -1))[0]

    def feed_forward(self, x: Tensor) -> Tensor:
        """The gated feed-forward layer on `x [N, D]`."""
        gate, up = self.gate_up(x)
        return self.down(self.activation(gate).mul_(up))[0]


def _signed(sin: Tensor) -> Tensor:
    """Fold the sign of the rotation into its sines, so that `_rotated` needs one roll."""
    half = sin.shape[-1] // 2
    return torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of `x [N, heads, C]`."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class _Sampler:
    """Picks the next token of each row."""

    def __init__(self, device: torch.device, temperature: float, top_p: float, seed: int | None) -> None:
        self.temperature = temperature
        self.top_p = top_p
        self.generator = torch.Generator(device)
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits `[N, V]` -> tokens `[N]`."""
        if self.temperature <= 0:
            return logits.argmax(-1)
        probabilities = (logits.float() / self.temperature).softmax(-1)
        if self.top_p < 1:
            ordered, order = probabilities.sort(-1, descending=True)
            # A token stays if those before it have less than top_p together; the likeliest always stays.
            ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= max(self.top_p, 1e-9), 0.0)
            probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
        return torch.multinomial(probabilities, 1, generator=self.generator)[:, 0]
