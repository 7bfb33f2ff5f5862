"""The hypernetwork of Text-to-LoRA: the embedding of a task description becomes a LoRA adapter.

For each adapted linear layer, the encoded description is joined with learned embeddings of the block and of the module;
a mixer and residual MLPs turn them into the input of a head, and the head, one for each module name, writes the LoRA
weights. Two choices make the three sizes of the paper:

    L   a head writes A and B of all ranks at once
    M   the head is shared by A and B, which differ in a learned embedding that is added before it
    S   like M, and one rank at a time: the head's input is turned by the position of the rank

Source: Text-to-LoRA (arXiv 2506.06105), section 3 and appendix. What a checkpoint of the reference implementation
computes, this computes too (see `t2l_checkpoint`).

Shape letters: n descriptions, e embedding size, c code size, L adapted blocks, w trunk width, q head inputs for one
linear layer (1 or 2 parts), p ranks written at once or in turn, r rank, i and o features of a linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.text_to_lora.config import RankPositions, TaskConfig
from lorify.hypernets.text_to_lora.encoders import DROPOUT, build_task_encoder, perceptron

ROTARY_BASE = 10_000.0


class PlaceEmbedding(nn.Module):
    """Where in the base a linear layer is: learned embeddings of block and module, or one-hot codes."""

    def __init__(self, num_layers: int, num_modules: int, size: int | None) -> None:
        """Random embeddings `[.., size]`; one-hot codes if `size` is None."""
        super().__init__()
        self.num_layers, self.num_modules = num_layers, num_modules
        if size is not None:
            self.layer = nn.Sequential(nn.Embedding(num_layers, size), nn.LayerNorm(size))
            self.module = nn.Sequential(nn.Embedding(num_modules, size), nn.LayerNorm(size))
        self.learned = size is not None

    def forward(self, module_index: int, like: Tensor) -> Tensor:
        """Places of one module in all adapted blocks `[L, ..]`, on the device and in the dtype of `like`."""
        layers = torch.arange(self.num_layers, device=like.device)
        modules = torch.full_like(layers, module_index)
        if self.learned:
            return torch.cat([self.layer(layers), self.module(modules)], dim=-1)
        layer, module = F.one_hot(layers, self.num_layers), F.one_hot(modules, self.num_modules)
        return torch.cat([layer, module], dim=-1).to(like.dtype)


class ResidualBlock(nn.Module):
    """`x + MLP(norm(x))`."""

    def __init__(self, width: int) -> None:
        """Random weights."""
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width), *perceptron(width, 4 * width, width), nn.SiLU(), nn.Dropout(DROPOUT)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[.., w]` -> `[.., w]`."""
        return x + self.net(x)


@dataclass(frozen=True)
class LoraStack:
    """LoRA weights of one module in all adapted blocks.

    Attributes:
        A: `[.., L, r, i]`.
        B: `[.., L, o, r]`.
    """

    A: Tensor
    B: Tensor


class LoraTable(nn.Module):
    """A LoRA for all adapted linear layers, kept with the hypernetwork."""

    def __init__(self, modules: Sequence[AdaptedModule], num_layers: int, rank: int, *, learned: bool) -> None:
        """Zeros."""
        super().__init__()

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(num_layers, *shape), requires_grad=learned)

        self.A = nn.ParameterDict({m.name: zeros(rank, m.in_features) for m in modules})
        self.B = nn.ParameterDict({m.name: zeros(m.out_features, rank) for m in modules})

    def __getitem__(self, module: str) -> LoraStack:
        """The weights of one module: `A [L, r, i]`, `B [L, o, r]`."""
        return LoraStack(self.A[module], self.B[module])

    def draw(self) -> None:
        """Start as PEFT starts a LoRA: A drawn, B zero."""
        for A in self.A.values():
            bound = 1 / math.sqrt(A.shape[-1])
            nn.init.uniform_(A, -bound, bound)

    @torch.no_grad()
    def fill(self, values: Mapping[str, LoraStack]) -> None:
        """Take the values of all modules."""
        for name in self.A:
            self.A[name].copy_(values[name].A)
            self.B[name].copy_(values[name].B)


class OutputRange(nn.Module):
    """From what heads write to LoRA weights: `offset + mean + deviation * output_scale * written`."""

    def __init__(self, config: TaskConfig) -> None:
        """Mean and offset zero, deviation one."""
        super().__init__()
        shape = (config.modules, len(config.layers), config.rank)
        self.scale = config.output_scale
        self.mean = LoraTable(*shape, learned=False) if config.standardized else None
        self.deviation = LoraTable(*shape, learned=False) if config.standardized else None
        self.offset = LoraTable(*shape, learned=config.offset == "learned") if config.offset != "none" else None
        if self.deviation is not None:
            for parameter in self.deviation.parameters():
                nn.init.ones_(parameter)

    def forward(self, module: str, written: LoraStack) -> LoraStack:
        """LoRA weights of one module."""
        A, B = written.A, written.B
        if self.scale != 1:
            A, B = A * self.scale, B * self.scale
        if self.mean is not None and self.deviation is not None:
            mean, deviation = self.mean[module], self.deviation[module]
            A, B = A * deviation.A + mean.A, B * deviation.B + mean.B
        if self.offset is not None:
            A, B = A + self.offset[module].A, B + self.offset[module].B
        return LoraStack(A, B)


@dataclass(frozen=True)
class GeneratedLoras:
    """What the hypernetwork makes of n descriptions.

    Attributes:
        weights: module name -> LoRA weights, A `[n, L, r, i]` and B `[n, L, o, r]`.
        written: the same as the heads wrote them, before `OutputRange` (z-scores, for example).
        encoder_loss: loss of the task encoder's own, to be added when training (0 unless it is `vq`).
    """

    weights: dict[str, LoraStack]
    written: dict[str, LoraStack]
    encoder_loss: Tensor


class TaskHypernetwork(nn.Module):
    """Embeddings of task descriptions -> LoRA weights. See the module's docstring."""

    def __init__(
        self,
        *,
        task_encoder: nn.Module,
        places: PlaceEmbedding,
        output_range: OutputRange,
        modules: Sequence[AdaptedModule],
        rank: int,
        trunk_width: int,
        head_input_size: int,
        head_bias: bool,
        shared_head: bool,
        rank_positions: RankPositions,
    ) -> None:
        """Random weights; `hyper_initialize` makes the heads start as a LoRA does."""
        super().__init__()
        w = trunk_width
        self.task_encoder, self.places, self.output_range = task_encoder, places, output_range
        self.modules_by_name = {module.name: module for module in modules}
        self.rank, self.shared_head, self.rank_positions = rank, shared_head, rank_positions
        self.mixer = nn.Sequential(nn.Dropout(DROPOUT), *perceptron(w, 4 * w, w), nn.SiLU(), nn.Dropout(DROPOUT))
        self.block1 = ResidualBlock(w)
        self.block2 = ResidualBlock(w)
        self.neck = nn.Sequential(nn.LayerNorm(w), *perceptron(w, 4 * w, head_input_size), nn.SiLU())
        if shared_head:
            self.part_embeddings = nn.ParameterDict({m.name: nn.Parameter(torch.randn(2, w)) for m in modules})
            self.part_norm = nn.LayerNorm(w)
        if rank_positions == "learned":
            self.rank_embedding = nn.Sequential(nn.Embedding(rank, w), nn.LayerNorm(w))
        ranks_at_once = rank if rank_positions == "all_at_once" else 1
        self.heads = nn.ModuleDict()
        for m in modules:
            features = max(m.in_features, m.out_features) if shared_head else m.in_features + m.out_features
            self.heads[m.name] = nn.Linear(head_input_size, ranks_at_once * features, bias=head_bias)

    @torch.no_grad()
    def hyper_initialize(self) -> None:
        """Bias-HyperInit: every description starts with the weights that a fresh LoRA has, from the heads' biases.

        Where A and B have heads of their own, B starts at zero. A shared head starts both from the same small numbers,
        divided by sqrt(2), and by sqrt(r) where it writes one rank at a time. Heads without biases start at zero.
        """
        for name, head in self.heads.items():
            assert isinstance(head, nn.Linear)
            head.weight.zero_()
            if head.bias is None:
                continue
            module = self.modules_by_name[name]
            bound = 1 / math.sqrt(module.in_features)  # what PEFT draws lora_A from
            ranks_in_turn = self.rank_positions != "all_at_once"
            bound /= (math.sqrt(2) if self.shared_head else 1) * (math.sqrt(self.rank) if ranks_in_turn else 1)
            head.bias.uniform_(-bound, bound)
            if not self.shared_head:
                head.bias[(1 if ranks_in_turn else self.rank) * module.in_features :] = 0

    def forward(self, embeddings: Tensor) -> GeneratedLoras:
        """LoRA weights for each description.

        Args:
            embeddings: `[n, e]`.
        """
        codes, encoder_loss = self.task_encoder(embeddings)  # [n, c]
        written = {name: self._write(index, name, codes) for index, name in enumerate(self.heads)}
        weights = {name: self.output_range(name, stack) for name, stack in written.items()}
        return GeneratedLoras(weights, written, encoder_loss)

    def _write(self, index: int, name: str, codes: Tensor) -> LoraStack:
        """What the head of one module writes for all blocks."""
        n, L = len(codes), self.places.num_layers
        places = self.places(index, codes)  # [L, ..]
        x = torch.cat([codes.unsqueeze(1).expand(n, L, -1), places.expand(n, L, -1)], dim=-1)  # [n, L, w]
        x = self._told_apart(name, self.block1(self.mixer(x)))  # [n, L, q, p, w]
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

    def _told_apart(self, name: str, x: Tensor) -> Tensor:
        """Trunk states `[n, L, w]` -> one for each part (A, B) and rank that the head writes by itself."""
        x = x.unsqueeze(-2).unsqueeze(-2)  # [n, L, 1, 1, w]
        if self.shared_head:
            x = self.block2(x + self.part_norm(self.part_embeddings[name]).unsqueeze(-2))  # [n, L, 2, 1, w]
        if self.rank_positions == "all_at_once":
            return x if self.shared_head else self.block2(x)
        if self.rank_positions == "rotary":
            return self.block2(_rotated(x.expand(*x.shape[:-2], self.rank, -1)))  # [n, L, q, r, w]
        positions = self.rank_embedding(torch.arange(self.rank, device=x.device))  # [r, w]
        return x + self.block2(positions) if self.shared_head else self.block2(x + positions)

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def num_paper_parameters(self) -> int:
        """Number of trainable parameters as the paper counts them: without task encoder and biases of the heads.

        So counted, the sizes L, M and S for Mistral-7B have its 55.25M, 34.28M and 4.92M parameters.
        """
        left_out = list(self.task_encoder.parameters())
        left_out += [parameter for name, parameter in self.heads.named_parameters() if name.endswith("bias")]
        return self.num_parameters - sum(p.numel() for p in left_out)


def build_task_hypernetwork(config: TaskConfig) -> TaskHypernetwork:
    """A task hypernetwork of the given shape, untrained."""
    place_size = None if config.task_encoder == "one_hot" else config.latent_size // 4
    hypernetwork = TaskHypernetwork(
        task_encoder=build_task_encoder(config),
        places=PlaceEmbedding(len(config.layers), len(config.modules), place_size),
        output_range=OutputRange(config),
        modules=config.modules,
        rank=config.rank,
        trunk_width=config.trunk_width,
        head_input_size=config.head_input_size,
        head_bias=config.head_bias,
        shared_head=config.shared_head,
        rank_positions=config.rank_positions,
    )
    if config.hyper_init:
        hypernetwork.hyper_initialize()
    return hypernetwork


def _rotated(x: Tensor) -> Tensor:
    """Rotary position embedding of `[.., positions, w]`, halves paired."""
    positions, width = x.shape[-2:]
    frequencies = ROTARY_BASE ** -(torch.arange(0, width, 2, device=x.device).float() / width)
    angles = torch.outer(torch.arange(positions, device=x.device).float(), frequencies)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)  # [positions, w / 2]
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
