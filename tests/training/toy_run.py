"""A kind of training run that lorify does not know: one number is trained to become another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from lorify.hypernets.training_config import Optimization, TrainingConfig
from lorify.training.engine.objective import BatchLoss
from lorify.training.kind import TrainingKind
from lorify.training.preparation import Preparation


class ToyConfig(TrainingConfig):
    """A run that trains one number."""

    kind: Literal["toy"] = Field("toy", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    target: float = Field(3.0, description="What the number is to become.")
    optimization: Optimization = Optimization(steps=2, learning_rate=0.1, warmup_steps=0)  # pyright: ignore[reportCallIssue]


class ToyObjective:
    """Squared distance to the target."""

    def __init__(self, config: ToyConfig) -> None:
        self.target = config.target
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)

    def loss(self, batch: int) -> BatchLoss:
        return BatchLoss((self.module.weight - self.target).square().mean(), {}, 0)

    def evaluate(self) -> dict[str, float]:
        return {"distance": abs(self.module.weight.item() - self.target)}

    def score(self, heldout: Mapping[str, float]) -> float:
        return -heldout["distance"]

    def save_best(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(self.module.state_dict(), folder / "number.pt")


def prepare_toy(config: ToyConfig, preparation: Preparation) -> ToyObjective:
    return ToyObjective(config)


TOY = TrainingKind(name="toy", config=ToyConfig, prepare=prepare_toy, output="a number, in number.pt")
