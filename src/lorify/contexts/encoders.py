"""Context encoders of Doc-to-LoRA: hidden states of a frozen language model over chunks of a context.

    per-layer activations   what enters each of the first n blocks; the last of them after the model's final norm
    early exit              what leaves the first n blocks, after the final norm
    embeddings              what enters the first block

The final norm is there because the published encoders are models cut short, which norm whatever comes last.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from lorify.base.chat import build_prompt_ids, question_messages, with_system_turn
from lorify.base.model import BaseModel, load_base
from lorify.errors import BaseModelError

EncoderKind = Literal["per_layer_activations", "early_exit", "embeddings"]
_MARK = "\u2603"  # stands for the context where a chat template is taken apart


@dataclass(frozen=True)
class EncodedContexts:
    """Features of a batch of chunks: one below the other, or all in one sequence.

    Attributes:
        states: `[chunks, blocks, tokens, features]` for per-layer activations, else `[chunks, tokens, features]`; in
            one sequence without the dimension of the chunks.
        mask: `[chunks, tokens]`, True for real tokens.
        places: `[chunks, tokens]`, where each chunk's tokens stand in the one sequence; else None.
    """

    states: Tensor
    mask: Tensor
    places: Tensor | None = None


@torch.no_grad()
def encode_contexts(
    encoder: BaseModel, chunks: Sequence[Sequence[int]], *, kind: EncoderKind, num_layers: int
) -> EncodedContexts:
    """Run the encoder over chunks, each encoded alone.

    Args:
        encoder: the frozen model.
        chunks: token ids of each chunk, with all special tokens.
        kind: which hidden states.
        num_layers: how many blocks; see the module's docstring.
    """
    length = max(map(len, chunks))
    input_ids = torch.zeros(len(chunks), length, dtype=torch.long)
    mask = torch.zeros(len(chunks), length, dtype=torch.long)
    for index, chunk in enumerate(chunks):
        input_ids[index, : len(chunk)] = torch.tensor(chunk)
        mask[index, : len(chunk)] = 1
    input_ids, mask = input_ids.to(encoder.device), mask.to(encoder.device)
    return EncodedContexts(_features(encoder, input_ids, mask, None, kind, num_layers), mask.bool())


@torch.no_grad()
def encode_packed(
    encoder: BaseModel, chunks: Sequence[Sequence[int]], *, kind: EncoderKind, num_layers: int
) -> EncodedContexts:
    """As `encode_contexts`, with all chunks in one sequence without padding; none sees another."""
    lengths = torch.tensor([len(chunk) for chunk in chunks])
    starts = lengths.cumsum(0) - lengths
    owner = torch.arange(len(chunks)).repeat_interleave(lengths)
    may_look = (owner.unsqueeze(1) == owner).tril()[None, None].to(encoder.device)
    input_ids = torch.tensor([token for chunk in chunks for token in chunk], device=encoder.device).unsqueeze(0)
    positions = (torch.arange(len(owner)) - starts[owner]).unsqueeze(0).to(encoder.device)
    states = _features(encoder, input_ids, encoder.attention_mask(may_look), positions, kind, num_layers)[0]
    index = torch.arange(int(lengths.max()))
    mask = index < lengths.unsqueeze(1)
    places = (starts.unsqueeze(1) + index).masked_fill(~mask, 0)
    return EncodedContexts(states, mask.to(encoder.device), places.to(encoder.device))


def _features(
    encoder: BaseModel, input_ids: Tensor, mask: Tensor, positions: Tensor | None, kind: EncoderKind, num_layers: int
) -> Tensor:
    """Hidden states of the wanted kind `[batch, (blocks,) tokens, features]`."""
    if kind == "embeddings":
        return encoder.activations(input_ids, mask, layers=[0], position_ids=positions).states[0]
    if kind == "early_exit":
        return _states(encoder, input_ids, mask, positions, [num_layers])[0]
    return torch.stack(_states(encoder, input_ids, mask, positions, range(num_layers)), dim=1)


def _states(
    encoder: BaseModel, input_ids: Tensor, mask: Tensor, positions: Tensor | None, depths: Sequence[int]
) -> list[Tensor]:
    """What leaves the first n blocks, for each n of `depths`, the last of them after the final norm."""
    inside = [depth for depth in depths if depth < encoder.num_layers]
    found = encoder.activations(input_ids, mask, layers=inside, position_ids=positions).states if inside else {}
    if len(inside) < len(depths):
        with encoder.hooks.applied(None):
            last = encoder.decoder(
                input_ids=input_ids, attention_mask=mask, position_ids=positions, use_cache=False
            ).last_hidden_state
    else:
        last = cast(nn.Module, encoder.decoder.norm)(found[depths[-1]])
    return [*(found[depth] for depth in depths[:-1]), last]


def context_affixes(
    tokenizer: PreTrainedTokenizerBase, *, system_turn: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids before and after a context: those of a chat whose user says the context, as in the paper.

    With `system_turn` the chat begins with an empty system turn, as in the reference implementation.
    """
    if not tokenizer.chat_template:
        start = tokenizer.bos_token_id
        return ((start,) if isinstance(start, int) else ()), ()
    chat = question_messages(_MARK)
    ids = build_prompt_ids(tokenizer, with_system_turn(chat) if system_turn else chat)
    mark = list(tokenizer(_MARK, add_special_tokens=False)["input_ids"])
    at = next((i for i in range(len(ids)) if ids[i : i + len(mark)] == mark), None)
    if at is None:  # the mark merges with what is around it
        return tuple(ids), ()
    return tuple(ids[:at]), tuple(ids[at + len(mark) :])


def split_evenly(
    ids: Sequence[int], *, num_chunks: int, prefix: Sequence[int], suffix: Sequence[int]
) -> list[list[int]]:
    """Chunks of nearly equal length, each between its affixes.

    The context with its affixes is cut into `num_chunks` runs of equal length (the last one shorter), and the
    affixes are put at every cut: `[prefix, a, suffix], [prefix, b, suffix] ...`, as in the reference implementation.

    Args:
        ids: token ids of the context, without affixes.
        num_chunks: how many; fewer come out where the context is too short for so many.
        prefix: token ids before each chunk.
        suffix: token ids after each chunk.
    """
    whole = [*prefix, *ids, *suffix]
    length = -(-len(whole) // num_chunks)
    runs = [whole[start : start + length] for start in range(0, len(whole), length)]
    return [[*(prefix if i else ()), *run, *(suffix if i < len(runs) - 1 else ())] for i, run in enumerate(runs)]


def load_encoder(base: BaseModel, name: str | None, *, quantized: bool, training: bool = False) -> BaseModel:
    """The context encoder of a hypernetwork: the base itself, or another model.

    Args:
        base: the loaded base.
        name: hub id or folder of the encoder; None for the base.
        quantized: load it in 4 bits (NF4, by bitsandbytes) where that is possible, which is on CUDA.
        training: refuse to go on in full precision where it is not possible, instead of warning.

    Raises:
        BaseModelError: if it cannot be loaded, or not in 4 bits.
    """
    source = name or base.name
    if quantized and base.device.type == "cuda":
        return load_base(source, device=base.device, quantized=True)
    if quantized and training:
        raise BaseModelError(
            f"a context encoder in 4 bits needs CUDA, but the base is on {base.device.type}; train on a CUDA device, "
            "or with --set hypernetwork.quantized_encoder=false"
        )
    if quantized:
        warnings.warn(
            f"the context encoder was quantized to 4 bits in training, which needs CUDA; on {base.device.type} it "
            "runs in full precision, with nearly the same adapters",
            stacklevel=2,
        )
    return base if name is None else load_base(name, dtype=base.dtype, device=base.device)
