"""The frozen base model: access to its linear layers and activations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lorify.base.activations import ActivationHooks, Activations
from lorify.base.architectures import find_architecture
from lorify.base.chat.control_tokens import encode_plain
from lorify.base.chat.prompts import stop_token_ids
from lorify.base.constrained_decoding import GrammarTokens
from lorify.base.kept_session import KeptSession
from lorify.base.lora import LoraBatch, LoraHooks
from lorify.base.lower_block_cache import LowerBlockCache
from lorify.base.packed_weights import PackedMatrices
from lorify.base.sharding import is_sharded
from lorify.base.structure import (
    check_logits,
    find_blocks,
    find_linears,
    find_sliding_window,
    find_window,
    is_recurrent,
    logit_factor,
    probe_ids,
    probe_linears,
)
from lorify.base.upper_blocks import UpperBlocks, find_final_norm, recorded_upper_blocks
from lorify.errors import BaseModelError

READING_MODULES = frozenset({"q_proj", "k_proj", "v_proj", "query", "key", "value"})
"""Linear layers whose output may be as wide as the hidden states but is not added to them."""


class BaseLM:
    """A frozen causal language model with its tokenizer and its LoRA hooks.

    Attributes:
        architecture: entry of its architecture in the registry.
        model: the Hugging Face model, in evaluation mode and with frozen parameters.
        tokenizer: its tokenizer.
        name: the name given by the user: a hub id, an absolute path or the default name.
        digest: SHA-256 of its weights, recorded in every adapter made for it.
        hooks: apply a `LoraBatch` to forward passes (see `lorify.base.lora`).
        activation_hooks: record the inputs of blocks and linear layers (see `lorify.base.activations`).
        lower_block_cache: lets repeated rows skip the blocks below the first adapted one (see
            `lorify.base.lower_block_cache`).
        is_recurrent: whether some blocks carry a state from token to token, as state-space layers do.
        window_tokens: length of the context window, in tokens.
        packed_matrices: weights packed for decoding on a CPU (see `lorify.base.packed_weights`).
        decoding_session: compiled loops for decoding on a CPU (see `lorify.base.decoding.compiled`).
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, digest: str) -> None:
        """Freeze `model` and install the hooks on its blocks and their linear layers.

        Raises:
            BaseModelError: if the model lacks what lorify needs (see `lorify.base.structure`).
        """
        self.architecture = find_architecture(type(model).__name__)
        self.model = model.eval().requires_grad_(False)
        self.decoder = cast(nn.Module, model.get_decoder())
        blocks_path, self.blocks = find_blocks(model, name)
        self.is_recurrent = is_recurrent(self.blocks)
        self.window_tokens = find_window(model.config, name)
        self.tokenizer = tokenizer
        self.name = name
        self.digest = digest
        self._logit_factor = logit_factor(model.config)
        self._linear_paths = find_linears(self.blocks, blocks_path, name)
        if not self.architecture.is_known:
            self._linear_paths = probe_linears(model, self._linear_paths)
        self.linear_keys: dict[tuple[int, str], nn.Linear] = {
            key: module
            for key, path in self._linear_paths.items()
            if isinstance(module := model.get_submodule(path), nn.Linear)
        }
        self.hooks = LoraHooks(self.linear_keys)
        self.packed_matrices = PackedMatrices()
        self.decoding_session = KeptSession()
        self.activation_hooks = ActivationHooks(self.blocks, self.linear_keys)
        self.lower_block_cache = LowerBlockCache(self.blocks)
        if not self.architecture.is_known:
            check_logits(model, self._probe_logits(), name)

    def slides_over(self, num_tokens: int) -> bool:
        """Return whether sliding attention no longer reads the first of this many tokens."""
        window = find_sliding_window(self.model.config)
        return window is not None and num_tokens > window

    @property
    def num_layers(self) -> int:
        """Return the number of transformer blocks."""
        return len(self.blocks)

    @property
    def hidden_size(self) -> int:
        """Return the width of the hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the weights."""
        return self.model.dtype

    @property
    def stop_ids(self) -> set[int]:
        """Return the tokens that end an answer (see `lorify.base.chat.prompts.stop_token_ids`)."""
        return stop_token_ids(self.tokenizer, self.model.generation_config)

    @cached_property
    def grammar_tokens(self) -> GrammarTokens:
        """The vocabulary in the form that grammars use, for constrained answers; the first use takes about a second."""
        return GrammarTokens(self.tokenizer, self.model.config.vocab_size, self.stop_ids)

    @cached_property
    def final_norm(self) -> nn.Module | None:
        """The norm after the last block; None if the decoder computes more after that block, or is sharded."""
        if self.is_sharded:
            return None
        return find_final_norm(self.decoder, self.activation_hooks, self.blocks, self.device)

    @property
    def is_sharded(self) -> bool:
        """Return whether the blocks are sharded over several processes."""
        return is_sharded(self.blocks[0])

    def linear(self, layer: int, module: str) -> nn.Linear:
        """Return the linear layer `module`, such as `down_proj`, of block `layer`.

        Raises:
            BaseModelError: if the base has no such block or linear layer.
        """
        if (layer, module) not in self.linear_keys:
            known = sorted({name for _, name in self.linear_keys})
            raise BaseModelError(
                f"base model {self.name!r} has no linear layer {module!r} in block {layer}; "
                f"it has blocks 0 to {self.num_layers - 1} with {', '.join(known)}"
            )
        return self.linear_keys[layer, module]

    def writing_modules(self, layer: int) -> list[str]:
        """Return the linear layers of a block that write to the hidden states, last one first."""
        names = [name for (at, name), linear in self.linear_keys.items() if at == layer and self._writes(name, linear)]
        return names[::-1]

    def _writes(self, name: str, linear: nn.Linear) -> bool:
        return linear.out_features == self.hidden_size and name not in READING_MODULES

    def module_path(self, layer: int, module: str) -> str:
        """Return the dotted path of a linear layer inside the Hugging Face model.

        Raises:
            BaseModelError: if the base has no such block or linear layer.
        """
        self.linear(layer, module)
        return self._linear_paths[layer, module]

    def encode_text(self, text: str) -> list[int]:
        """Tokenize a text, without special tokens; control tokens in it are ordinary text."""
        return encode_plain(self.tokenizer, text)

    def decode_text(self, ids: Sequence[int]) -> str:
        """Decode token ids to text, without special tokens."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language-model head.

        Args:
            hidden: output of the decoder `[..., hidden]`.

        Returns:
            Logits `[..., vocabulary]` in float32, scaled (Granite) and soft-capped (Gemma 2) as by the base.
        """
        logits = cast(nn.Module, self.model.get_output_embeddings())(hidden).float() * self._logit_factor
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def output_embeddings(self, ids: Tensor) -> Tensor:
        """Return the output embeddings `[..., hidden]` of token ids `[...]`, the rows of the language-model head."""
        head = cast(nn.Linear, self.model.get_output_embeddings())
        return F.embedding(ids, head.weight)

    def attention_mask(self, allowed: Tensor) -> Tensor:
        """Convert a boolean attention mask to the form that the decoder expects.

        Bases without PyTorch's own attention (Gemma 2 caps its scores) add the mask to the scores.

        Args:
            allowed: `[batch, 1, queries, keys]`, True where a query may attend to a key.

        Returns:
            The same mask, or one of the same shape with 0 where attention is allowed and the lowest number elsewhere.

        Raises:
            BaseModelError: if the base has recurrent layers, since a mask does not keep sequences apart in them.
        """
        if self.is_recurrent:
            raise BaseModelError(
                f"base model {self.name!r} has recurrent layers, which cannot keep packed sequences apart; give a base "
                "with attention only"
            )
        if self.model.config._attn_implementation == "sdpa":
            return allowed
        lowest = torch.finfo(self.dtype).min
        return torch.zeros_like(allowed, dtype=self.dtype).masked_fill(~allowed, lowest)

    @torch.no_grad()
    def _probe_logits(self) -> Tensor:
        return self.logits(self.decoder(input_ids=probe_ids(self.device), use_cache=False).last_hidden_state)

    def activations(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        *,
        layers: Sequence[int],
        module: str | None = None,
        position_ids: Tensor | None = None,
        lora: LoraBatch | None = None,
    ) -> Activations:
        """Run the base and return the inputs of some of its blocks.

        Blocks above the highest requested one are not computed.

        Args:
            input_ids: token ids `[batch, tokens]`.
            attention_mask: `[batch, tokens]`, 1 for tokens and 0 for padding on the right; or a mask made by
                `attention_mask`. None if padding is on the right and the caller ignores it: attention is causal, so
                padding does not affect the tokens before it.
            layers: indices of the blocks whose inputs to return.
            module: linear layer of these blocks, such as `down_proj`, whose inputs to return too.
            position_ids: `[batch, tokens]`; by default 0, 1, 2, ...
            lora: updates of the rows; None: the bare base.

        Returns:
            Inputs of the blocks `[batch, tokens, hidden]` and of their linear layer `[batch, tokens, d_in]`.
        """
        assert module is None or not self.is_sharded, "stopping inside a sharded block would leave it gathered"

        def forward() -> None:
            with self.hooks.applied(lora):
                self.decoder(
                    input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=False
                )

        return self.activation_hooks.run(forward, layers=layers, module=module)

    def recorded_upper_blocks(self, first_layer: int) -> AbstractContextManager[list[UpperBlocks]]:
        """Record a forward pass without a cache inside the `with` block, so that its upper blocks can be run again.

        Args:
            first_layer: index of the first block to run again.

        Returns:
            A context with a list that holds the blocks afterwards. It stays empty if they are sharded or the decoder
            computes more than a norm after them; then the whole base has to run again.
        """
        return recorded_upper_blocks(self.activation_hooks, self.blocks, self.final_norm, first_layer)
