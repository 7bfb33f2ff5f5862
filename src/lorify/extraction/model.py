"""The extractor's network: a pretrained bidirectional encoder with a LoRA, and heads for answers.

    [CLS] question [SEP] text [SEP]  ->  encoder  ->  logits of each token as beginning and as end of the answer,
                                                      logits of the answer's form: words of the text, yes, no

If the text does not answer the question, the answer is at [CLS] (Devlin et al., arXiv 1810.04805, section 4.3).

Shape letters: N inputs, T tokens of an input, d width of the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModel,
    AutoTokenizer,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.masking_utils import eager_mask

from lorify.base.files.locate import weights_digest
from lorify.contexts.descriptions.encoder_files import read_transformer_config, resolve_embedder
from lorify.data.answers import YES_OR_NO
from lorify.errors import ContextError, ExtractorError, first_line
from lorify.extraction.config import ExtractorConfig

PLAIN_ATTENTION = "lorify_plain"
FORMS = ("words", *YES_OR_NO)
"""Forms of an answer: words of the text, or a verdict."""


class ExtractorLogits(NamedTuple):
    """Logits for the beginning and end of an answer, each `[N, T]`, and for its form `[N, 3]`, in float32."""

    begins: Tensor
    ends: Tensor
    forms: Tensor


class LowRankLinear(nn.Module):
    """A frozen linear layer with a trained low-rank update: `y = W x + b + B A x`."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        """Start without an effect: `B` is zero.

        Args:
            linear: the layer; it is frozen.
            rank: rank of the update.
        """
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., in_features]` to `[..., out_features]`."""
        return self.linear(x) + F.linear(F.linear(x, self.lora_A), self.lora_B)

    def merged(self) -> nn.Linear:
        """Return the linear layer with the update added to its weights."""
        with torch.no_grad():
            self.linear.weight += self.lora_B @ self.lora_A
        return self.linear


class ExtractorNetwork(nn.Module):
    """An encoder with a LoRA on the linear layers of its blocks, a head for beginnings and ends, and one for forms."""

    def __init__(self, encoder: nn.Module, rank: int) -> None:
        """Freeze an encoder and add the trained parts.

        Args:
            encoder: a BERT-like encoder from transformers; it is modified in place.
            rank: rank of each LoRA.
        """
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        _replace_linears(cast(nn.Module, encoder.encoder), lambda linear: LowRankLinear(linear, rank))
        width = int(cast(PreTrainedConfig, encoder.config).hidden_size)
        self.head = nn.Linear(width, 2)
        self.form_head = nn.Linear(width, len(FORMS))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> ExtractorLogits:
        """Compute the logits of inputs.

        Args:
            ids: tokens `[N, T]`.
            mask: 1 for tokens, 0 for padding `[N, T]`.
            types: 1 for the text and the [SEP] after it, 0 for everything before `[N, T]`.

        Returns:
            The logits.
        """
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state  # [N, T, d]
        begins, ends = self.head(states).float().unbind(-1)
        return ExtractorLogits(begins, ends, self.form_head(states[:, 0]).float())

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; the encoder's dropout stays off on a CPU, where it takes longer than the rest."""
        super().train(mode)
        on_cpu = self.head.weight.device.type in ("cpu", "meta")
        self.encoder.train(mode and not on_cpu)
        # The backward pass of PyTorch's fused attention takes half of a training step on a CPU.
        fused = not mode or not on_cpu
        cast(PreTrainedModel, self.encoder).set_attn_implementation("sdpa" if fused else PLAIN_ATTENTION)
        return self

    def trained_weights(self) -> dict[str, Tensor]:
        """Return the weights that are not the encoder's own."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name in trained}

    def merge(self) -> None:
        """Add each LoRA to the weights of its layer, so that it costs nothing; it can no longer be trained."""
        _replace_linears(cast(nn.Module, self.encoder.encoder), LowRankLinear.merged, LowRankLinear)


def _plain_attention(
    _module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, **_: object
) -> tuple[Tensor, None]:
    """Attention as matrix products, with the interface that transformers calls.

    Args:
        _module: the layer.
        query: `[N, heads, T, d / heads]`, like `key` and `value`.
        key: see `query`.
        value: see `query`.
        mask: added to the scores, `[N, 1, T, T]`.
        scaling: factor of the scores.

    Returns:
        `[N, T, heads, d / heads]`, and no weights.
    """
    scores = (query * scaling) @ key.transpose(2, 3)  # [N, heads, T, T]
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(PLAIN_ATTENTION, _plain_attention)
AttentionMaskInterface.register(PLAIN_ATTENTION, eager_mask)


def load_encoder(config: ExtractorConfig) -> tuple[nn.Module, PreTrainedTokenizerBase, str]:
    """Load the pretrained encoder of an extractor.

    Returns:
        The encoder in float32, its tokenizer, and the SHA-256 of its weights.

    Raises:
        ExtractorError: if it cannot be found, downloaded or read, or its weights differ from those that the extractor
            was trained with.
    """
    try:
        folder = resolve_embedder(config.encoder)
        encoder = AutoModel.from_pretrained(
            folder, config=read_transformer_config(folder), dtype=torch.float32, attn_implementation="sdpa"
        )
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (ContextError, OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ExtractorError(
            f"encoder {config.encoder!r} of the extractor cannot be read ({first_line(error)}); connect to a network, "
            "or fetch it again"
        ) from error
    _check_encoder(encoder, tokenizer, config)
    digest = weights_digest(folder)
    if config.encoder_digest not in ("", digest):
        raise ExtractorError(
            f"the extractor was trained with other weights of encoder {config.encoder!r} (SHA-256 "
            f"{config.encoder_digest[:8]}..., found {digest[:8]}...); give the folder of that version"
        )
    return cast(nn.Module, encoder), tokenizer, digest


def _check_encoder(encoder: object, tokenizer: PreTrainedTokenizerBase, config: ExtractorConfig) -> None:
    """Refuse an encoder that does not read two texts as BERT does, or that reads fewer tokens than the config says."""
    if not isinstance(encoder, BertModel) or not tokenizer.is_fast:
        raise ExtractorError(
            f"encoder {config.encoder!r} is a {type(encoder).__name__} with a {type(tokenizer).__name__}; an extractor "
            "needs a BERT with a fast tokenizer: choose another encoder"
        )
    if config.max_tokens > encoder.config.max_position_embeddings:
        raise ExtractorError(
            f"encoder {config.encoder!r} reads {encoder.config.max_position_embeddings} tokens, and max_tokens is "
            f"{config.max_tokens}; lower extractor.max_tokens"
        )


def _replace_linears(
    module: nn.Module, replace: Callable[[Any], nn.Module], wanted: type[nn.Module] = nn.Linear
) -> None:
    """Replace all layers of one type in a module."""
    for name, child in list(module.named_children()):
        if isinstance(child, wanted):
            setattr(module, name, replace(child))
        else:
            _replace_linears(child, replace, wanted)
