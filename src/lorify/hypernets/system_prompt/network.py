"""A hypernetwork for tasks that writes a description over the chat's default system message.

The chats of many bases begin with the same tokens, whatever the question: a system message from the chat template. The
input of a linear layer in a low block at these tokens is therefore known: `x_i` at token i. A low-rank update can
respond to each of them alone, with `A x_i = e_i` and `A x` close to zero for the tokens of a user. If column i of `B`
is the difference between the hidden states of the description's token i and of the system message's token i after this
block, the base continues above it as if the description were in those positions, in every later block and for every
later token. No word needs to be known from training, whereas an embedding of the whole description loses most words.

The last slots still hold such an embedding, as soft tokens. It captures the kind of task however it is worded, which a
small base reads less well from the tokens.

Training learns the soft tokens, and a LoRA shared by all tasks in the blocks above, which makes the base follow the
description. There is no LoRA below, so that `A` does not change during training.

Shape letters: k slots (overwritten tokens of the system message), of which the last m hold the embedding, n
descriptions, e embedding size, d hidden size, f input features of the linear layer, L blocks with the shared LoRA.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.text_to_lora.lora_table import LoraTable

WRITTEN_MODULE = "down_proj"
"""The linear layer whose update writes the description: its output is added to the hidden states."""


@dataclass(frozen=True)
class EncodedDescriptions:
    """n descriptions encoded by the frozen base and the description encoder, in float32.

    Attributes:
        states: `[n, k - m, d]`, hidden states of their tokens.
        embeddings: `[n, e]`, embeddings of the whole descriptions, of norm one.
        default_states: `[k, d]`, hidden states of the default system message.
    """

    states: Tensor
    embeddings: Tensor
    default_states: Tensor


class SystemMessageHypernetwork(nn.Module):
    """Turns descriptions into updates: overwritten slots, soft tokens, and a LoRA shared by all tasks."""

    def __init__(self, config: SystemMessageConfig) -> None:
        """Start with `A` zero, and the shared LoRA initialized as in PEFT: A random, B zero."""
        super().__init__()
        self.config = config
        self.register_buffer("slot_A", torch.zeros(config.num_slots, config.written_size))
        self.slot_A: Tensor
        e, d = config.embedding_size, config.hidden_size
        self.soft_tokens = nn.Parameter(torch.randn(config.embedded_slots, e, d) / e**0.5)
        self.shared = LoraTable(config.modules, len(config.layers), config.rank, learned=True)
        self.shared.initialize()

    def forward(self, descriptions: EncodedDescriptions) -> LoraBatch:
        """Build the updates of n descriptions, one row each."""
        return {(self.config.written_layer, WRITTEN_MODULE): self.write(descriptions), **self.shared_updates()}

    def write(self, descriptions: EncodedDescriptions) -> LoraTensors:
        """Build the update that writes n descriptions over the system message."""
        states = torch.cat([descriptions.states, self.soft_states(descriptions)], dim=1)
        return LoraTensors(self.slot_A, states - descriptions.default_states)  # B [n, k, d]

    def soft_states(self, descriptions: EncodedDescriptions) -> Tensor:
        """Compute the hidden states of the soft tokens of n descriptions `[n, m, d]`."""
        # Scale them to the norm of the other tokens.
        scale = descriptions.default_states.square().mean().sqrt() * self.config.embedding_size**0.5
        return scale * torch.einsum("ne,med->nmd", descriptions.embeddings, self.soft_tokens)

    def shared_updates(self) -> LoraBatch:
        """Build the updates shared by all tasks."""
        batch: dict[tuple[int, str], LoraTensors] = {}
        for module in self.config.modules:
            A, B = self.shared.A[module.name], self.shared.B[module.name].transpose(-1, -2) * self.config.scaling
            # Unbound, not indexed: the gradient of each index would be as large as all layers together.
            for layer, a, b in zip(self.config.layers, A.unbind(0), B.unsqueeze(1).unbind(0), strict=True):
                batch[layer, module.name] = LoraTensors(a, b)
        return batch
