"""A tiny objective of which each process reaches other weights, in a module that processes started anew can import."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lorify.hypernets.training_config import TrainingConfig
from lorify.training.engine.loop import Trainer, TrainingProgress
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.sharded_weights import ShardedWeights

SIZES = ((5, 3), (1,), (), (2, 2), (4,))
BY_NONE = 4
"""Weights that no batch reaches."""


def config(*, accumulation: int = 1, sharded: bool = True) -> TrainingConfig:
    schedule = {"steps": 4, "warmup_steps": 0, "learning_rate": 0.1, "weight_decay": 0.1, "accumulation": accumulation}
    return TrainingConfig.model_validate(
        {"kind": "sum", "optimization": schedule, "sharded": sharded, "evaluate_every": 2, "checkpoint_every": 2}
    )


class SumObjective:
    """Weights are to become the number of the batch; batch n reaches the first weight and one more, by parity."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.weights = nn.ParameterList(torch.randn(size) for size in SIZES)
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.module = nn.Module()
        self.module.weights, self.module.frozen = self.weights, self.frozen
        self.moving = torch.zeros(1)
        self.module.register_buffer("moving", self.moving)

    def loss(self, batch: int) -> BatchLoss:
        reached = [self.weights[0], self.weights[1 + batch % 2], *([self.weights[3]] if batch == 3 else [])]
        self.moving.fill_(0.5)
        loss = torch.stack([(w - batch * self.frozen[0]).square().mean() for w in reached]).sum()
        return BatchLoss(loss, {}, 1, weight=1.0 + batch % 2)

    def evaluate(self) -> dict[str, float]:
        return {"size": sum(float(w.abs().sum()) for w in self.weights)}

    def score(self, heldout: Mapping[str, float]) -> float:
        return heldout["size"]

    def save_best(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(self.module.state_dict(), folder / "best.pt")


def train(run_dir: Path, made_of: TrainingConfig) -> dict[str, Tensor]:
    """Weights after a run; those of a sharded one in two processes are in parts all along."""
    objective = SumObjective()
    trainer = Trainer(made_of, objective, run_dir)

    def report(_: TrainingProgress) -> None:
        if isinstance(trainer.weights, ShardedWeights):
            assert not sum(weight.numel() for weight in objective.weights)
            moments = [m for of in trainer.optimizer.state.values() for name, m in of.items() if name != "step"]
            held = sum(moment.to_local().numel() for moment in moments)
            assert abs(held - sum(moment.numel() for moment in moments) / 2) <= len(moments) / 2

    trainer.run(report)
    return objective.module.state_dict()


def train_in_process(run_dir: Path, made_of: TrainingConfig) -> None:
    """What each of two processes does; each writes its weights to `run_dir`."""
    weights = train(run_dir, made_of)
    torch.save(weights, run_dir / f"weights-{torch.distributed.get_rank()}.pt")
