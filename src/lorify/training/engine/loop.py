"""The meta-training loop: one for every kind of hypernetwork, CPU and GPU, resumable at any step with the same result.

What is trained, and on what, is an `Objective`; the loop knows steps, the optimizer, checkpoints and curves only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from lorify.atomic import replaced_file
from lorify.errors import TrainingError
from lorify.hypernets.training_config import Optimization, TrainingConfig
from lorify.training.engine.curves import CurveWriter
from lorify.training.engine.processes import check_launch, share_out
from lorify.training.engine.run_folder import (
    checkpoint_path,
    only_run,
    reading_checkpoint,
    save_checkpoint,
    start_run,
    writing,
)


@dataclass(frozen=True)
class BatchLoss:
    """What an objective says about one batch.

    Attributes:
        loss: scalar, with the gradient.
        metrics: what else is worth a curve, such as `loss/facts` and `exact/facts`.
        num_tokens: tokens that went through the base, for the speed that is shown.
        weight: what it counts among the batches of a step, over all processes.
    """

    loss: Tensor
    metrics: Mapping[str, float]
    num_tokens: int
    weight: float = 1.0


class Objective(Protocol):
    """What a run trains, and on what.

    It is made with its module in its initial state. Batches are numbered: batch n of a config is always the same.
    """

    @property
    def module(self) -> nn.Module:
        """What is trained: its parameters that require a gradient, on the device where it runs."""
        ...

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`; random numbers of the run (dropout) may be drawn from torch's generators."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Metrics on held-out data, the same data every time; called without gradients."""
        ...

    def score(self, heldout: Mapping[str, float]) -> float:
        """How good the metrics of `evaluate` are; the best is kept, so larger is better."""
        ...

    def save_best(self, folder: Path) -> None:
        """Write what users load; an earlier one in `folder` is replaced at once or not at all."""
        ...


@dataclass(frozen=True)
class Progress:
    """What the loop reports after each step.

    Attributes:
        step: optimizer steps done.
        metrics: loss, the objective's metrics, gradient norm and learning rate.
        tokens_per_second: tokens through the base a second.
    """

    step: int
    metrics: Mapping[str, float]
    tokens_per_second: float


class Trainer:
    """Trains an objective in a run folder: `run_dir/checkpoint`, `run_dir/best`, TensorBoard curves.

    Under `accelerate launch` each process takes other batches, and gradients are averaged over all of them. With
    `sharded` in the config each process keeps a part of weights and optimizer state; the module is whole again after
    `run`. All processes have to do the same with their trainers.
    """

    def __init__(self, config: TrainingConfig, objective: Objective, run_dir: Path) -> None:
        """Start a run, or go on with the one in `run_dir`.

        Raises:
            TrainingError: if `run_dir` holds a run with another config or cannot be written, its checkpoint is damaged
                or not the same for all processes, or `check_launch`.
        """
        check_launch()
        self.config, self.objective, self.run_dir = config, objective, run_dir
        device = next(p for p in objective.module.parameters() if p.requires_grad).device
        # Precision is the objective's, not accelerate's: its setting is one for the whole process.
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        optimization = config.optimization
        groups = parameter_groups(objective.module)
        self.weights = share_out(objective.module, self.accelerator, sharded=config.sharded)
        self.optimizer = torch.optim.AdamW(
            self.weights.as_optimized(groups),
            lr=optimization.learning_rate,
            betas=(optimization.beta1, optimization.beta2),
            weight_decay=optimization.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: schedule_factor(step, optimization)
        )
        self.step, self.best = 0, float("-inf")
        self._open_run()

    def run(self, report: Callable[[Progress], None], *, stop_at: int | None = None) -> None:
        """Train to the end (or to step `stop_at`), reporting every step; a checkpoint is written at the end too.

        Raises:
            TrainingError: if another process trains in the same folder, or something cannot be written.
        """
        with only_run(self.run_dir) if self.accelerator.is_main_process else nullcontext():
            self._run(report, stop_at)

    def _run(self, report: Callable[[Progress], None], stop_at: int | None) -> None:
        last = min(self.config.optimization.steps, stop_at or self.config.optimization.steps)
        with self._curves() as curves:
            while self.step < last:
                started = time.perf_counter()
                metrics, tokens = self._train_step()
                self.step += 1
                if self.step % self.config.evaluate_every == 0 or self.step == last:
                    heldout = self.evaluate()
                    metrics |= {f"heldout/{name}": value for name, value in heldout.items()}
                    self._keep_best(heldout)
                if curves is not None:
                    with writing(self.run_dir):
                        curves.add(self.step, metrics)
                if self.step % self.config.checkpoint_every == 0 or self.step == last:
                    self._save_checkpoint()
                report(Progress(self.step, metrics, tokens / (time.perf_counter() - started)))
        self.weights.gather()

    def _curves(self) -> AbstractContextManager[CurveWriter | None]:
        if not self.accelerator.is_main_process:
            return nullcontext()
        with writing(self.run_dir):
            return CurveWriter(self.run_dir / "curves", first_step=self.step + 1)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """The objective's metrics on held-out data."""
        with self.weights.whole():
            return self.objective.evaluate()

    def _train_step(self) -> tuple[dict[str, float], int]:
        metrics: dict[str, list[float]] = {}
        tokens, weight = 0, 0.0
        with self.weights.whole():
            for batch in self._batches():
                # Seeded anew for every batch, so that a resumed run draws the same numbers on any device.
                torch.manual_seed((self.config.seed << 32) + batch)
                found = self.objective.loss(batch)
                tokens += found.num_tokens
                weight += found.weight
                (found.loss * found.weight).backward()
                for name, value in {"loss": found.loss.item(), **found.metrics}.items():
                    metrics.setdefault(name, []).append(value)
            self._average_over_batches(weight)
        norm = self.weights.clip_gradients(self.config.optimization.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        averages = {name: sum(values) / len(values) for name, values in metrics.items()}
        averages["gradient_norm"] = norm
        averages["learning_rate"] = float(self.schedule.get_last_lr()[0])
        self.schedule.step()
        return averages, tokens

    def _batches(self) -> Iterator[int]:
        """Numbers of this process's batches of the next step."""
        size, index = self.accelerator.num_processes, self.accelerator.process_index
        first = self.step * self.config.optimization.accumulation
        return ((first + micro) * size + index for micro in range(self.config.optimization.accumulation))

    def _average_over_batches(self, weight: float) -> None:
        """Turn summed gradients into their mean over the step's batches of all processes, and average moving buffers.

        Args:
            weight: of this process's batches together.
        """
        total = float(cast(Tensor, self.accelerator.reduce(torch.tensor(weight, device=self.weights.device), "sum")))
        for parameter in self.weights.learned:
            if parameter.grad is not None:
                parameter.grad /= total
        self.weights.sum_gradients()
        if self.accelerator.num_processes == 1:
            return
        for buffer in self.objective.module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(cast(Tensor, self.accelerator.reduce(buffer, "mean")))

    def _keep_best(self, heldout: Mapping[str, float]) -> None:
        score = self.objective.score(heldout)
        if score <= self.best:
            return
        self.best = score
        with self.weights.whole():
            if not self.accelerator.is_main_process:
                return
            with writing(self.run_dir):
                self.objective.save_best(self.run_dir / "best")
                with replaced_file(self.run_dir / "best.json") as path:
                    path.write_text(json.dumps({"step": self.step, **heldout}, indent=1) + "\n", encoding="utf-8")

    def _open_run(self) -> None:
        if self.accelerator.is_main_process:
            start_run(self.run_dir, self.config)
        self.accelerator.wait_for_everyone()
        if checkpoint_path(self.run_dir).exists():
            self._load_checkpoint()
        steps = set(gather_object([self.step]))
        if len(steps) > 1:
            raise TrainingError(
                f"processes found checkpoints of different steps ({', '.join(map(str, sorted(steps)))}) in "
                f"{self.run_dir}; give a folder that all machines share"
            )

    def _save_checkpoint(self) -> None:
        weights = self.weights.state(self.optimizer)
        if not self.accelerator.is_main_process:
            return
        rest = {"step": self.step, "best": self.best, "schedule": self.schedule.state_dict()}
        save_checkpoint(self.run_dir, rest | weights)

    def _load_checkpoint(self) -> None:
        with reading_checkpoint(self.run_dir) as path:
            state = torch.load(path, weights_only=True, map_location="cpu")
            self.weights.load_state(state, self.optimizer)
            self.schedule.load_state_dict(state["schedule"])
            self.step, self.best = int(state["step"]), float(state["best"])


def parameter_groups(module: nn.Module) -> list[dict[str, object]]:
    """Learned parameters for the optimizer: all in one group, or those without weight decay in a second one.

    Which they are is said by the module's method `is_decayed(name)`, if it has one.
    """
    is_decayed = getattr(module, "is_decayed", lambda _name: True)
    learned = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in learned if is_decayed(name)]
    others = [parameter for name, parameter in learned if not is_decayed(name)]
    return [{"params": decayed}, *([{"params": others, "weight_decay": 0.0}] if others else [])]


def schedule_factor(step: int, schedule: Optimization) -> float:
    """Learning rate relative to the peak: linear warm-up, then a cosine down to the final ratio."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    done = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    low = schedule.final_learning_rate_ratio
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
