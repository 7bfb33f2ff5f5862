"""The hypernetwork of Text-to-LoRA: the embedding of a task description becomes a LoRA adapter.

For each adapted linear layer, the encoded description is concatenated with learned embeddings of the block and of the
module. A mixer and residual MLPs turn this into the input of a head. There is one head per module name; it writes the
LoRA weights. Two choices make the three sizes of the paper:

    L   a head writes A and B of all ranks at once
    M   the head is shared by A and B, which differ in a learned embedding added to the trunk
    S   like M, and one rank at a time: the trunk is rotated by the position of the rank

Source: Text-to-LoRA (arXiv 2506.06105), section 3 and appendix. A checkpoint of the reference implementation gives the
same weights here (`lorify.hypernets.text_to_lora.importer`).

Shape letters: n descriptions, e embedding size, c code size, L adapted blocks, w trunk width, q head inputs for one
linear layer (1, or 2 for A and B), p ranks with separate head inputs (1 or r), r rank, i and o features of a linear
layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.encoders import DROPOUT, build_task_encoder, perceptron
from lorify.hypernets.text_to_lora.lora_table import LoraStack, OutputTransform
from lorify.hypernets.text_to_lora.trunk import LayerModuleEmbedding, ResidualBlock, rotate_positions


@dataclass(frozen=True)
class GeneratedLoras:
    """Output of the hypernetwork for n descriptions.

    Attributes:
        weights: module name -> LoRA weights, A `[n, L, r, i]` and B `[n, L, o, r]`.
        written: the same before `OutputTransform`, for example as z-scores.
        encoder_loss: the task encoder's own loss, to be added in training; 0 unless the encoder is `vq`.
    """

    weights: dict[str, LoraStack]
    written: dict[str, LoraStack]
    encoder_loss: Tensor


class TaskHypernetwork(nn.Module):
    """Maps embeddings of task descriptions to LoRA weights; see the module docstring."""

    def __init__(self, config: TaskConfig) -> None:
        """Draw random weights; `hyper_initialize` makes the heads start as a LoRA does."""
        super().__init__()
        w = config.trunk_width
        self.task_encoder = build_task_encoder(config)
        embedding_size = None if config.task_encoder == "one_hot" else config.latent_size // 4
        # These names occur in saved weights: `places` is the embedding of the linear layer.
        self.places = LayerModuleEmbedding(len(config.layers), len(config.modules), embedding_size)
        self.output_range = OutputTransform(config)
        self.modules_by_name = {module.name: module for module in config.modules}
        self.rank, self.shared_head, self.rank_positions = config.rank, config.shared_head, config.rank_positions
        self.mixer = nn.Sequential(nn.Dropout(DROPOUT), *perceptron(w, 4 * w, w), nn.SiLU(), nn.Dropout(DROPOUT))
        self.block1 = ResidualBlock(w)
        self.block2 = ResidualBlock(w)
        self.neck = nn.Sequential(nn.LayerNorm(w), *perceptron(w, 4 * w, config.head_input_size), nn.SiLU())
        if config.shared_head:
            self.part_embeddings = nn.ParameterDict({m.name: nn.Parameter(torch.randn(2, w)) for m in config.modules})
            self.part_norm = nn.LayerNorm(w)
        if config.rank_positions == "learned":
            self.rank_embedding = nn.Sequential(nn.Embedding(config.rank, w), nn.LayerNorm(w))
        ranks_at_once = config.rank if config.rank_positions == "all_at_once" else 1
        self.heads = nn.ModuleDict()
        for m in config.modules:
            features = max(m.in_features, m.out_features) if config.shared_head else m.in_features + m.out_features
            self.heads[m.name] = nn.Linear(config.head_input_size, ranks_at_once * features, bias=config.head_bias)

    @torch.no_grad()
    def hyper_initialize(self) -> None:
        """Apply Bias-HyperInit: the heads' biases give every description the weights of a fresh LoRA at the start.

        If A and B have separate heads, B starts at zero. A shared head starts both from the same small numbers, divided
        by sqrt(2), and by sqrt(r) if it writes one rank at a time. Heads without biases start at zero.
        """
        for name, head in self.heads.items():
            assert isinstance(head, nn.Linear)
            head.weight.zero_()
            if head.bias is None:
                continue
            module = self.modules_by_name[name]
            bound = 1 / math.sqrt(module.in_features)  # the range from which PEFT draws lora_A
            one_rank_at_a_time = self.rank_positions != "all_at_once"
            bound /= (math.sqrt(2) if self.shared_head else 1) * (math.sqrt(self.rank) if one_rank_at_a_time else 1)
            head.bias.uniform_(-bound, bound)
            if not self.shared_head:
                head.bias[(1 if one_rank_at_a_time else self.rank) * module.in_features :] = 0

    def forward(self, embeddings: Tensor) -> GeneratedLoras:
        """Generate LoRA weights for each description.

        Args:
            embeddings: `[n, e]`.
        """
        codes, encoder_loss = self.task_encoder(embeddings)  # [n, c]
        written = {name: self._write(index, name, codes) for index, name in enumerate(self.heads)}
        weights = {name: self.output_range(name, stack) for name, stack in written.items()}
        return GeneratedLoras(weights, written, encoder_loss)

    def _write(self, index: int, name: str, codes: Tensor) -> LoraStack:
        """Output of one module's head for all blocks."""
        n, L = len(codes), self.places.num_layers
        linear_layers = self.places(index, codes)  # [L, ..]
        x = torch.cat([codes.unsqueeze(1).expand(n, L, -1), linear_layers.expand(n, L, -1)], dim=-1)  # [n, L, w]
        x = self._head_inputs(name, self.block1(self.mixer(x)))  # [n, L, q, p, w]
        out = self.heads[name](self.neck(x))
        m = self.modules_by_name[name]
        if self.shared_head:
            out = out.view(n, L, 2, self.rank, -1)
            A, B = out[:, :, 0, :, : m.in_features], out[:, :, 1, :, : m.out_features]
        elif self.rank_positions == "all_at_once":
            A, B = out.view(n, L, -1).split([self.rank * m.in_features, self.rank * m.out_features], dim=-1)
        else:
            A, B = out.view(n, L, self.rank, -1).split([m.in_features, m.out_features], dim=-1)
        A, B = A.reshape(n, L, self.rank, m.in_features), B.reshape(n, L, self.rank, m.out_features)
        return LoraStack(A, B.transpose(-1, -2))

    def _head_inputs(self, name: str, x: Tensor) -> Tensor:
        """Trunk states `[n, L, w]` -> one state for each part (A, B) and rank that the head writes separately."""
        x = x.unsqueeze(-2).unsqueeze(-2)  # [n, L, 1, 1, w]
        if self.shared_head:
            x = self.block2(x + self.part_norm(self.part_embeddings[name]).unsqueeze(-2))  # [n, L, 2, 1, w]
        if self.rank_positions == "all_at_once":
            return x if self.shared_head else self.block2(x)
        if self.rank_positions == "rotary":
            return self.block2(rotate_positions(x.expand(*x.shape[:-2], self.rank, -1)))  # [n, L, q, r, w]
        positions = self.rank_embedding(torch.arange(self.rank, device=x.device))  # [r, w]
        return x + self.block2(positions) if self.shared_head else self.block2(x + positions)

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def build_task_hypernetwork(config: TaskConfig) -> TaskHypernetwork:
    """Build an untrained task hypernetwork."""
    hypernetwork = TaskHypernetwork(config)
    if config.hyper_init:
        hypernetwork.hyper_initialize()
    return hypernetwork
