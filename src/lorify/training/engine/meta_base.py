"""Base models without memory for their weights (on PyTorch's meta device), and the cost of a training step.

Nothing is fetched for the papers' bases: the shapes in `architectures.json` are enough. For any other base on the hub
only the config is fetched, and a folder needs only `config.json`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lorify.base.files.locate import DEFAULT_BASE, resolve_base
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.base.structure import find_blocks
from lorify.contexts.encoders.vision import is_vision_language
from lorify.errors import BaseModelError, ConfigError, first_line
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.plain_files import expand_home
from lorify.training.engine.peak_memory import Cost, measure_cost

ARCHITECTURES_PATH = Path(__file__).parent / "architectures.json"
FEW_BLOCKS = (2, 4)
"""Numbers of blocks with which a step is measured; both have as many local as global blocks (Gemma 2)."""


@dataclass(frozen=True)
class StepShape:
    """The base's input in one batch.

    Attributes:
        rows: number of sequences.
        tokens: tokens per sequence.
        answers: tokens to learn per sequence, whose logits are computed.
        adapters: LoRAs in a batch: one per row, or several that share one sequence.
        layers: adapted blocks.
        modules: adapted linear layers.
        rank: rank of a LoRA.
        shared: whether all rows have the same LoRA.
    """

    rows: int
    tokens: int
    answers: int
    adapters: int
    layers: Sequence[int]
    modules: Sequence[AdaptedModule]
    rank: int
    shared: bool = False


@dataclass(frozen=True)
class MetaModel:
    """A model whose weights have shapes but no memory."""

    module: nn.Module

    @cached_property
    def num_parameters(self) -> int:
        """Number of its parameters."""
        return count_parameters(self.module)

    @property
    def architecture(self) -> PreTrainedConfig:
        """Config of its language model."""
        return cast(PreTrainedConfig, self.module.config).get_text_config()

    @property
    def blocks(self) -> list[nn.Module]:
        """Its transformer blocks."""
        return find_blocks(cast(PreTrainedModel, self.module), self.architecture.model_type)[1]

    def adapted_modules(self, names: Sequence[str]) -> tuple[AdaptedModule, ...]:
        """Return the sizes of linear layers.

        Raises:
            ConfigError: if there is no linear layer with one of the names.
        """
        linears = {name.rpartition(".")[2]: m for name, m in self.blocks[0].named_modules() if isinstance(m, nn.Linear)}
        missing = [name for name in names if name not in linears]
        if missing:
            raise ConfigError(
                f"hypernetwork.modules: the base has no {missing[0]!r}; it has {', '.join(sorted(linears))}"
            )
        return tuple(
            AdaptedModule(name=name, in_features=linears[name].in_features, out_features=linears[name].out_features)
            for name in names
        )

    def step_cost(self, shape: StepShape) -> Cost:
        """Measure the forward and the backward pass of a batch, with the gradients of its LoRAs.

        The code of a step runs on tensors without memory, with the same kind of attention and logits as the real run.
        It runs with a few blocks; each further one adds the same cost. Blocks below the first adapted one keep nothing
        and have no backward pass. Weights are not counted.
        """
        num_lower = min(shape.layers)
        cost = cost_of_blocks(len(self.blocks) - num_lower, lambda count: self._step_cost(shape, count))
        return replace(cost, kept_bytes=0, flops=cost.flops + self.block_flops(num_lower, shape.rows * shape.tokens))

    def block_flops(self, num_blocks: int, tokens: int) -> float:
        """Operations of a forward pass through some blocks, without attention."""
        return 2.0 * num_blocks * count_parameters(self.blocks[0]) * tokens

    def with_blocks(self, count: int) -> PreTrainedModel:
        """Copy the model with its first `count` blocks only."""
        module = copy.deepcopy(cast(PreTrainedModel, self.module))
        del cast(nn.ModuleList, cast(nn.Module, module.get_decoder()).layers)[count:]
        module.config.get_text_config().num_hidden_layers = count
        return module

    def _step_cost(self, shape: StepShape, num_blocks: int) -> Cost:
        module = self.with_blocks(num_blocks)  # a copy, as the measurement changes it
        base = BaseLM(module, cast(PreTrainedTokenizerBase, None), name="meta", digest="")
        return measure_cost(lambda: _run_step(base, replace(shape, layers=range(num_blocks))), (module,))


def cost_of_blocks(num_blocks: int, measure: Callable[[int], Cost]) -> Cost:
    """Measure a cost that grows linearly with the blocks; many blocks are extrapolated from a few.

    Args:
        num_blocks: number of blocks.
        measure: measures the cost of some blocks.
    """
    few, more = FEW_BLOCKS
    if num_blocks <= more:
        return measure(num_blocks)
    least = measure(few)
    return least.plus_difference(least, measure(more), (num_blocks - few) / (more - few))


def _run_step(base: BaseLM, shape: StepShape) -> None:
    joined = shape.adapters > shape.rows
    owner = torch.zeros(shape.tokens, dtype=torch.long) if joined else None

    def learned(*size: int) -> torch.Tensor:
        return torch.zeros(size, requires_grad=True)

    own = () if shape.shared else (shape.adapters,)
    number = 1 if shape.shared else shape.adapters
    lora = {
        (layer, m.name): LoraTensors(
            learned(*own, shape.rank, m.in_features), learned(number, shape.rank, m.out_features), owner=owner
        )
        for layer in shape.layers
        for m in shape.modules
    }
    ids = torch.zeros(shape.rows, shape.tokens, dtype=torch.long)
    allowed = torch.ones(shape.rows, 1, shape.tokens, shape.tokens, dtype=torch.bool)
    with torch.enable_grad(), base.hooks.applied(lora):
        hidden = base.decoder(
            input_ids=ids,
            position_ids=torch.arange(shape.tokens).expand(shape.rows, -1),
            attention_mask=base.attention_mask(allowed),
            use_cache=False,
        ).last_hidden_state
        logits = base.logits(hidden[:, : shape.answers].reshape(-1, hidden.shape[-1]))
        targets = torch.zeros(len(logits), dtype=torch.long)
        F.cross_entropy(logits, targets, reduction="none", label_smoothing=0.1).mean().backward()


def count_parameters(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def meta_model(name: str, *, attention: str | None = None) -> MetaModel:
    """Build a base model on the meta device.

    Args:
        name: default name, hub id, folder or GGUF file.
        attention: attention implementation in transformers, such as `eager`; None: the one that the base is loaded
            with.

    Raises:
        BaseModelError: if its config cannot be read.
    """
    architecture = read_architecture(name)
    has_vision = is_vision_language((architecture.architectures or [""])[0])
    loader = AutoModelForImageTextToText if has_vision else AutoModelForCausalLM
    chosen = {} if attention is None else {"attn_implementation": attention}
    with torch.device("meta"):
        return MetaModel(cast(nn.Module, loader.from_config(architecture, dtype=torch.bfloat16, **chosen)))


def read_architecture(name: str) -> PreTrainedConfig:
    """Read the config of a base, without its weights.

    Raises:
        BaseModelError: if it cannot be read.
    """
    known = json.loads(ARCHITECTURES_PATH.read_text(encoding="utf-8"))
    if name in known:
        fields = dict(known[name])
        return AutoConfig.for_model(fields.pop("model_type"), **fields)
    folder = expand_home(name)
    is_hub_id = not folder.exists() and name != DEFAULT_BASE and name.count("/") == 1
    source = name if is_hub_id or (folder / "config.json").is_file() else resolve_base(name)
    try:
        return cast(PreTrainedConfig, AutoConfig.from_pretrained(source))
    except Exception as error:  # transformers raises all kinds of exceptions on damaged or unknown configs
        reason = first_line(error)[:160]
        raise BaseModelError(
            f"config of base model {name!r} cannot be read ({reason}); connect to a network, or give a folder with its "
            "config.json"
        ) from error
