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

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributions import OneHotCategoricalStraightThrough

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.storage import replaced_folder
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseModel
from lorify.contexts.descriptions import DescriptionEncoder, DescriptionWarning
from lorify.errors import ConfigError, HypernetworkError
from lorify.hypernets.adapted_modules import AdaptedModule, adapted_modules
from lorify.hypernets.storage import FORMAT_VERSION, WEIGHTS_NAME, _packed, _unpacked

CONFIG_NAME = "config.json"
DROPOUT = 0.05
COMMITMENT = 0.01
CODEBOOK_DECAY = 0.99
ROTARY_BASE = 10_000.0
NAME_CHARACTERS = 80

TaskEncoderKind = Literal["linear", "one_hot", "vq", "softmax"]
RankPositions = Literal["all_at_once", "rotary", "learned"]


class TaskConfig(PydanticModel):
    """Shape of a task hypernetwork, the base it was made for and the embedder whose embeddings it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["task"] = Field(default="task", description="Which hypernetwork this is.")
    base_name: str = Field(description="Base model it was made for.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    embedder_name: str = Field(description="What embeds the descriptions (see `load_description_encoder`).")
    embedder_digest: str | None = Field(default=None, description="SHA-256 of the embedder's weights; null: not known.")
    embedding_size: int = Field(gt=0, description="Size of an embedding.")
    layers: tuple[int, ...] = Field(min_length=1, description="Adapted blocks of the base.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Adapted linear layers; their order counts.")
    rank: int = Field(default=8, gt=0, description="Rank of the adapters.")
    lora_alpha: float = Field(default=16.0, gt=0, description="Numerator of the adapters' scaling.")
    use_rslora: bool = Field(
        default=True, description="Scaling is `lora_alpha / sqrt(rank)` instead of `lora_alpha / rank`."
    )
    task_encoder: TaskEncoderKind = Field(default="linear", description="What encodes the embedding.")
    num_codes: int = Field(default=32, gt=1, description="Codes of the codebook (vq, softmax) or classes (one_hot).")
    latent_size: int = Field(
        default=128, gt=0, multiple_of=4, description="Half encodes the task, a quarter each the place."
    )
    head_input_size: int = Field(default=512, gt=0, description="Input features of the heads.")
    head_bias: bool = Field(default=True, description="Whether the heads have biases.")
    hyper_init: bool = Field(default=True, description="Heads start with zero weights and the biases of a fresh LoRA.")
    shared_head: bool = Field(default=False, description="One head writes A and B of a module (sizes M and S).")
    rank_positions: RankPositions = Field(
        default="all_at_once", description="How ranks in turn are told apart (size S)."
    )
    output_scale: float = Field(default=1.0, gt=0, description="What heads write is multiplied by this number.")
    standardized: bool = Field(default=False, description="Heads write z-scores; mean and deviation are stored.")
    offset: Literal["none", "fixed", "learned"] = Field(
        default="none", description="A LoRA that is added, for all tasks."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TaskConfig:
        if self.rank_positions == "rotary" and self.trunk_width % 2:
            raise ValueError(f"rotary rank positions need an even trunk width, here it is {self.trunk_width}")
        if len({module.name for module in self.modules}) < len(self.modules):
            raise ValueError("a module is named twice")
        return self

    @property
    def code_size(self) -> int:
        """Size of an encoded description."""
        return self.num_codes if self.task_encoder == "one_hot" else self.latent_size // 2

    @property
    def trunk_width(self) -> int:
        """Width of the mixer and of the residual MLPs."""
        if self.task_encoder == "one_hot":
            return self.code_size + len(self.layers) + len(self.modules)
        return self.code_size + 2 * (self.latent_size // 4)

    @property
    def scaling(self) -> float:
        """Scale of the adapters' updates."""
        return self.lora_alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)


SIZES: Mapping[str, Mapping[str, bool | str]] = {
    "L": {"shared_head": False, "rank_positions": "all_at_once"},
    "M": {"shared_head": True, "rank_positions": "all_at_once"},
    "S": {"shared_head": True, "rank_positions": "rotary"},
}
"""Fields of `TaskConfig` that make the paper's three sizes."""


def task_config(
    base: BaseModel,
    encoder: DescriptionEncoder,
    *,
    size: str = "L",
    modules: Sequence[str] = ("q_proj", "v_proj"),
    layers: Sequence[int] | None = None,
    **fields: object,
) -> TaskConfig:
    """Config of a task hypernetwork for a base and a description encoder.

    Args:
        base: the base model.
        encoder: what embeds the descriptions.
        size: `L`, `M` or `S`.
        modules: linear layers to adapt.
        layers: blocks to adapt; all by default.
        fields: other fields of `TaskConfig`.

    Raises:
        ConfigError: if there is no such size, or a field has a bad value.
        BaseModelError: if the base has no such linear layer.
    """
    if size not in SIZES:
        raise ConfigError(f"size {size!r} of a task hypernetwork is not known; expected one of {', '.join(SIZES)}")
    layers = tuple(range(base.num_layers)) if layers is None else tuple(layers)
    values = {
        "base_name": base.name,
        "base_digest": base.digest,
        "embedder_name": encoder.name,
        "embedder_digest": encoder.digest,
        "embedding_size": encoder.size,
        "layers": layers,
        "modules": adapted_modules(base, layers, modules),
    }
    try:
        return TaskConfig.model_validate({**values, **SIZES[size], **fields})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc'])) or 'the whole'}: {entry['msg']}" for entry in error.errors()]
        raise ConfigError(f"shape of the task hypernetwork: {'; '.join(problems)}; correct it") from error


class LinearEncoder(nn.Module):
    """Embedding -> one linear layer and a layer norm."""

    def __init__(self, embedding_size: int, code_size: int) -> None:
        """Random weights."""
        super().__init__()
        self.net = nn.Sequential(nn.Linear(embedding_size, code_size), nn.LayerNorm(code_size))

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, e]` -> codes `[n, c]`, and no loss of its own."""
        return self.net(embeddings), embeddings.new_zeros(())


class OneHotEncoder(nn.Module):
    """Embedding -> one of `num_codes` classes; sampled while training, with a straight-through gradient."""

    def __init__(self, embedding_size: int, num_codes: int) -> None:
        """Random weights."""
        super().__init__()
        self.net = _perceptron(embedding_size, 4 * num_codes, num_codes)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, e]` -> one-hot codes `[n, c]`, and no loss of its own."""
        logits = self.net(embeddings)
        if self.training:
            codes = OneHotCategoricalStraightThrough(logits=logits).rsample()
        else:
            codes = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
        return codes, embeddings.new_zeros(())


class SoftmaxEncoder(nn.Module):
    """Embedding -> mixture of the learned codes of a codebook."""

    def __init__(self, embedding_size: int, code_size: int, num_codes: int) -> None:
        """Random weights."""
        super().__init__()
        self.net = _perceptron(embedding_size, 4 * code_size, num_codes)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_size))
        self.norm = nn.LayerNorm(code_size)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, e]` -> codes `[n, c]`, and no loss of its own."""
        return self.norm(self.net(embeddings).softmax(-1) @ self.codebook), embeddings.new_zeros(())


class VectorQuantizedEncoder(nn.Module):
    """Embedding -> nearest code of a codebook, which follows a moving average of what is assigned to each code.

    Source: Neural Discrete Representation Learning (arXiv 1711.00937), appendix A.1.
    """

    def __init__(self, embedding_size: int, code_size: int, num_codes: int) -> None:
        """Random weights and codes."""
        super().__init__()
        self.net = _perceptron(embedding_size, 4 * code_size, code_size)
        self.norm = nn.LayerNorm(code_size)
        self.register_buffer("codebook", torch.randn(num_codes, code_size))
        self.codebook: Tensor
        self.register_buffer("counts", torch.zeros(num_codes))
        self.counts: Tensor
        self.register_buffer("sums", self.codebook.clone())
        self.sums: Tensor

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, e]` -> codes `[n, c]`, and the loss that keeps what is quantized near its code."""
        points = self.net(embeddings)  # [n, c]
        distances = self.codebook.square().sum(-1) - 2 * points @ self.codebook.T  # [n, num_codes], up to |points|^2
        nearest = distances.argmin(-1)
        codes = self.codebook[nearest]
        if self.training:
            self._follow(points.detach(), nearest)
        loss = COMMITMENT * (codes - points).square().mean()
        return self.norm(points + (codes - points).detach()), loss

    @torch.no_grad()
    def _follow(self, points: Tensor, nearest: Tensor) -> None:
        assigned = F.one_hot(nearest, len(self.counts)).to(points.dtype)  # [n, num_codes]
        self.counts.lerp_(assigned.sum(0), 1 - CODEBOOK_DECAY)
        self.sums.lerp_(assigned.T @ points, 1 - CODEBOOK_DECAY)
        total = self.counts.sum()
        smoothed = (self.counts + 1e-5) / (total + len(self.counts) * 1e-5) * total
        self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))


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
            nn.LayerNorm(width), *_perceptron(width, 4 * width, width), nn.SiLU(), nn.Dropout(DROPOUT)
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

    def inverse(self, module: str, weights: LoraStack) -> LoraStack:
        """What a head has to write for these LoRA weights: the target of reconstruction training."""
        A, B = weights.A, weights.B
        if self.offset is not None:
            A, B = A - self.offset[module].A, B - self.offset[module].B
        if self.mean is not None and self.deviation is not None:
            mean, deviation = self.mean[module], self.deviation[module]
            A, B = (A - mean.A) / deviation.A, (B - mean.B) / deviation.B
        return LoraStack(A / self.scale, B / self.scale)


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
        self.mixer = nn.Sequential(nn.Dropout(DROPOUT), *_perceptron(w, 4 * w, w), nn.SiLU(), nn.Dropout(DROPOUT))
        self.block1 = ResidualBlock(w)
        self.block2 = ResidualBlock(w)
        self.neck = nn.Sequential(nn.LayerNorm(w), *_perceptron(w, 4 * w, head_input_size), nn.SiLU())
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
    e, c, codes = config.embedding_size, config.code_size, config.num_codes
    encoders = {
        "linear": lambda: LinearEncoder(e, c),
        "one_hot": lambda: OneHotEncoder(e, codes),
        "vq": lambda: VectorQuantizedEncoder(e, c, codes),
        "softmax": lambda: SoftmaxEncoder(e, c, codes),
    }
    place_size = None if config.task_encoder == "one_hot" else config.latent_size // 4
    hypernet = TaskHypernetwork(
        task_encoder=encoders[config.task_encoder](),
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
        hypernet.hyper_initialize()
    return hypernet


def save_task_hypernetwork(
    folder: Path, config: TaskConfig, hypernet: TaskHypernetwork, *, packed: bool = True
) -> None:
    """Write a task hypernetwork; an earlier one in `folder` is replaced at once or not at all.

    Args:
        folder: where to; its parent is made.
        config: its shape, base and embedder.
        hypernet: its weights.
        packed: store large matrices in 8 bits a number; otherwise every number is kept exactly, in float32.

    Raises:
        AdapterError: if `folder` holds something else or cannot be written.
    """
    weights = hypernet.state_dict()
    stored = _packed(weights) if packed else {k: v.detach().float().cpu().contiguous() for k, v in weights.items()}
    document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
    with replaced_folder(folder, frozenset({CONFIG_NAME, WEIGHTS_NAME})) as temporary:
        save_file(stored, temporary / WEIGHTS_NAME)
        (temporary / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_task_hypernetwork(folder: Path) -> tuple[TaskConfig, TaskHypernetwork]:
    """Read a task hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    try:
        document = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        found_version = document.pop("format_version", None)
        if found_version != FORMAT_VERSION:
            raise HypernetworkError(
                f"hypernetwork {folder} has format version {found_version}, expected {FORMAT_VERSION}; update lorify"
            )
        config = TaskConfig.model_validate(document)
        hypernet = build_task_hypernetwork(config)
        hypernet.load_state_dict(_unpacked(load_file(folder / WEIGHTS_NAME)))
    except FileNotFoundError as error:
        raise HypernetworkError(
            f"{folder} is no hypernetwork: {Path(error.filename or WEIGHTS_NAME).name} is missing; give a folder that "
            "lorify wrote"
        ) from error
    except (
        json.JSONDecodeError,
        AttributeError,  # the config is no JSON object
        ValidationError,
        SafetensorError,
        UnicodeDecodeError,
        RuntimeError,  # tensors of other names or shapes
    ) as error:
        what = " ".join(str(error).split())
        raise HypernetworkError(
            f"task hypernetwork {folder} is damaged or of another kind ({_shortened(what, 160)}); "
            "fetch or train it again"
        ) from error
    return config, hypernet.eval()


def task_lora_batch(config: TaskConfig, weights: Mapping[str, LoraStack]) -> dict[tuple[int, str], LoraTensors]:
    """Address generated adapters to the base's modules, one row per description, scaling in B."""
    return {
        (layer, name): LoraTensors(stack.A[:, i], stack.B[:, i].transpose(-1, -2) * config.scaling)
        for name, stack in weights.items()
        for i, layer in enumerate(config.layers)
    }


@dataclass(frozen=True)
class Specializer:
    """A task hypernetwork with the base and the description encoder it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernet: its weights, in float32, in evaluation mode.
        encoder: what embeds the descriptions.
        name: what the provenance calls the hypernetwork.
        digest: SHA-256 of its weights file.
    """

    base: BaseModel
    config: TaskConfig
    hypernet: TaskHypernetwork
    encoder: DescriptionEncoder
    name: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse a base or an encoder that the hypernetwork was not made for."""
        config, base, encoder = self.config, self.base, self.encoder
        if config.base_digest != base.digest:
            raise HypernetworkError(
                f"hypernetwork {self.name} was made for {config.base_name} (weights {config.base_digest[:8]}...), but "
                f"the loaded base is {base.name} (weights {base.digest[:8]}...); load that base or train a "
                "hypernetwork for this one"
            )
        known = config.embedder_digest
        if config.embedding_size != encoder.size or (known is not None and known != encoder.digest):
            raise HypernetworkError(
                f"hypernetwork {self.name} reads embeddings of {config.embedder_name} (size {config.embedding_size}, "
                f"weights {(known or 'not known')[:9]}), but the description encoder is {encoder.name} (size "
                f"{encoder.size}, weights {encoder.digest[:8]}); load the one it was made for"
            )
        if known is None and config.embedder_name != encoder.name:
            warnings.warn(
                f"hypernetwork {self.name} was made for the description encoder {config.embedder_name} and does not "
                f"record its weights: whether {encoder.name} is the same one cannot be checked",
                DescriptionWarning,
                stacklevel=3,
            )

    @torch.no_grad()
    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or longer than the encoder reads.
        """
        embeddings = self.encoder.encode([description])  # [1, e]
        device = next(self.hypernet.parameters()).device
        generated = self.hypernet(embeddings.to(device)).weights
        weights = {
            (layer, name): LoraPair(stack.A[0, i].clone(), stack.B[0, i].contiguous())
            for name, stack in generated.items()
            for i, layer in enumerate(self.config.layers)
        }
        record = DocumentRecord(
            name="task: " + _shortened(" ".join(description.split()), NAME_CHARACTERS),
            digest=hashlib.sha256(description.encode()).hexdigest(),
            num_tokens=len(self.base.encode_text(description)),
        )
        return Adapter(
            weights=weights,
            lora_alpha=self.config.scaling * self.config.rank,
            provenance=Provenance(
                base_name=self.base.name,
                base_digest=self.base.digest,
                hypernetwork=self.name,
                hypernetwork_digest=self.digest,
                documents=(record,),
                lorify_version=version("lorify"),
            ),
        )


def _perceptron(in_features: int, hidden: int, out_features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_features, hidden), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, out_features)
    )


def _rotated(x: Tensor) -> Tensor:
    """Rotary position embedding of `[.., positions, w]`, halves paired."""
    positions, width = x.shape[-2:]
    frequencies = ROTARY_BASE ** -(torch.arange(0, width, 2, device=x.device).float() / width)
    angles = torch.outer(torch.arange(positions, device=x.device).float(), frequencies)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)  # [positions, w / 2]
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
