"""The training loop for all kinds of runs, on CPU and GPU; a resumed run gives the same result as an uninterrupted one.

An `Objective` defines the trained module and its data. The loop handles only steps, the optimizer, checkpoints and
curves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from lorify.atomic import replaced_file
from lorify.base.loading import peak_bytes
from lorify.errors import TrainingError
from lorify.hypernets.training_config import TrainingConfig
from lorify.training.engine.curves import CurveWriter
from lorify.training.engine.launch import check_launch
from lorify.training.engine.objective import Objective
from lorify.training.engine.optimizer import build_optimizer, parameter_groups
from lorify.training.engine.out_of_memory import advice, is_out_of_memory
from lorify.training.engine.run_folder import (
    LAST_NAME,
    checkpoint_path,
    only_run,
    reading_checkpoint,
    save_checkpoint,
    snapshot_path,
    start_run,
    stop_path,
    writing,
)
from lorify.training.engine.weights import distribute_weights


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run, reported after each step.

    Attributes:
        step: optimizer steps done.
        metrics: loss, the objective's metrics, gradient norm and learning rate.
        tokens_per_second: tokens that the base read per second.
        steps_per_second: steps per second, including evaluation and checkpoint if the step had one.
        data_share: share of the time spent building batches.
        peak_bytes: peak accelerator memory of the run so far; 0 on a CPU.
    """

    step: int
    metrics: Mapping[str, float]
    tokens_per_second: float
    steps_per_second: float = 0.0
    data_share: float = 0.0
    peak_bytes: int = 0


class Trainer:
    """Trains an objective in a run folder with `checkpoint`, `best`, TensorBoard `curves` and optionally `last`.

    Under `accelerate launch` each process trains on its own batches, and gradients are averaged over all processes.
    With `sharded` in the config each process keeps a part of weights and optimizer state; the module is complete again
    after `run`. All processes must make the same calls.
    """

    def __init__(self, config: TrainingConfig, objective: Objective, run_dir: Path) -> None:
        """Start a run, or resume the one in `run_dir`.

        Raises:
            TrainingError: if `run_dir` holds a run with another config or cannot be written, its checkpoint is damaged
                or differs between processes, or as in `check_launch`.
        """
        check_launch()
        self.config, self.objective, self.run_dir = config, objective, run_dir
        device = next(p for p in objective.module.parameters() if p.requires_grad).device
        # The objective chooses the precision, since accelerate's setting would apply to the whole process.
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        groups = parameter_groups(objective.module)
        self.weights = distribute_weights(objective.module, self.accelerator, sharded=config.sharded)
        self.optimizer, self.schedule = build_optimizer(self.weights, groups, config.optimization)
        self.step, self.best = 0, float("-inf")
        self._open_run()

    def run(
        self,
        report: Callable[[TrainingProgress], None],
        *,
        stop_at: int | None = None,
        seconds: float | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train and report every step; the last step is evaluated and writes a checkpoint.

        Args:
            report: called after each step.
            stop_at: step after which to stop; None for the last one of the config.
            seconds: time after which no further step starts; None: no limit.
            should_stop: called after each step; True writes a checkpoint and stops. All processes must agree.

        Raises:
            TrainingError: if another process trains in the same folder, a file cannot be written, or memory runs out;
                progress up to then is kept.
        """
        with only_run(self.run_dir) if self.accelerator.is_main_process else nullcontext():
            deadline = float("inf") if seconds is None else time.perf_counter() + seconds
            self._run(report, stop_at, deadline, should_stop)

    def _run(
        self,
        report: Callable[[TrainingProgress], None],
        stop_at: int | None,
        deadline: float,
        should_stop: Callable[[], bool],
    ) -> None:
        last = min(self.config.optimization.steps, stop_at or self.config.optimization.steps)
        with self._curves() as curves:
            while self.step < last:
                started = time.perf_counter()
                try:
                    metrics, num_tokens, data_seconds = self._train_step()
                except (MemoryError, RuntimeError) as error:
                    if is_out_of_memory(error):
                        raise self._out_of_memory() from error
                    raise
                self.step += 1
                if self._is_over(deadline):
                    last = self.step
                if self.step % self.config.evaluate_every == 0 or self.step == last:
                    heldout = self.evaluate()
                    metrics |= {f"heldout/{name}": value for name, value in heldout.items()}
                    self._keep_best(heldout)
                if curves is not None:
                    with writing(self.run_dir):
                        curves.add(self.step, metrics)
                stops = should_stop()
                if self.step % self.config.checkpoint_every == 0 or self.step == last or stops:
                    self._save_checkpoint()
                if self._is_stopped_by_snapshot():
                    last = self.step
                seconds = time.perf_counter() - started
                memory = peak_bytes(self.weights.device)
                report(
                    TrainingProgress(
                        self.step, metrics, num_tokens / seconds, 1 / seconds, data_seconds / seconds, memory
                    )
                )
                if stops:
                    break
        self.weights.gather()
        is_over = self.step == self.config.optimization.steps
        if self.config.keep_last and is_over and self.accelerator.is_main_process:
            with writing(self.run_dir):
                self.objective.save_best(self.run_dir / LAST_NAME)

    def _out_of_memory(self) -> TrainingError:
        """Save the progress, and return an error that tells how to continue."""
        self.optimizer.zero_grad()
        kept = None
        if self.step and self.accelerator.num_processes == 1:  # other processes may not have failed
            kept = self.run_dir / LAST_NAME
            self._save_checkpoint()
            with writing(self.run_dir), self.weights.gathered():
                self.objective.save_best(kept)
        return TrainingError(advice(self.config, self.step + 1, kept))

    def _is_over(self, deadline: float) -> bool:
        """Return whether the time is up for any process, since all must stop at the same step."""
        return deadline < float("inf") and any(gather_object([time.perf_counter() >= deadline]))

    def _curves(self) -> AbstractContextManager[CurveWriter | None]:
        if not self.accelerator.is_main_process:
            return nullcontext()
        with writing(self.run_dir):
            return CurveWriter(self.run_dir / "curves", first_step=self.step + 1)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compute the objective's metrics on held-out data."""
        with self.weights.gathered():
            return self.objective.evaluate()

    def _train_step(self) -> tuple[dict[str, float], int, float]:
        """Make one step; returns the means of its metrics, the number of tokens and the seconds spent on data."""
        metrics: dict[str, list[float]] = {}
        num_tokens, weight, data_seconds = 0, 0.0, 0.0
        with self.weights.gathered():
            for batch in self._batches():
                # Seeded per batch, so that a resumed run draws the same numbers on any device.
                torch.manual_seed((self.config.seed << 32) + batch)
                result = self.objective.loss(batch)
                num_tokens += result.num_tokens
                weight += result.weight
                data_seconds += result.data_seconds
                (result.loss * result.weight).backward()
                for name, value in {"loss": result.loss.item(), **result.metrics}.items():
                    metrics.setdefault(name, []).append(value)
            self._average_over_batches(weight)
        norm = self.weights.clip_gradients(self.config.optimization.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        means = {name: sum(values) / len(values) for name, values in metrics.items()}
        means |= {"gradient_norm": norm, "learning_rate": float(self.schedule.get_last_lr()[0])}
        self.schedule.step()
        return means, num_tokens, data_seconds

    def _batches(self) -> Iterator[int]:
        """Numbers of this process's batches in the next step."""
        size, index = self.accelerator.num_processes, self.accelerator.process_index
        first = self.step * self.config.optimization.accumulation
        return ((first + micro) * size + index for micro in range(self.config.optimization.accumulation))

    def _average_over_batches(self, weight: float) -> None:
        """Turn summed gradients into their mean over the step's batches of all processes; also average float buffers.

        Args:
            weight: sum of the weights of this process's batches.
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
        with self.weights.gathered():
            if not self.accelerator.is_main_process:
                return
            with writing(self.run_dir):
                self.objective.save_best(self.run_dir / "best")
                with replaced_file(self.run_dir / "best.json") as path:
                    path.write_text(json.dumps({"step": self.step, **heldout}, indent=1) + "\n", encoding="utf-8")

    def _is_stopped_by_snapshot(self) -> bool:
        """Write a snapshot if one is due, and return whether `lorify watch` ends the run."""
        if not self.config.snapshots_every or self.step % self.config.snapshots_every:
            return False
        with self.weights.gathered():
            if self.accelerator.is_main_process:
                with writing(self.run_dir):
                    self.objective.save_best(snapshot_path(self.run_dir, self.step))
        return any(gather_object([stop_path(self.run_dir).exists()]))

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
        loop = {"step": self.step, "best": self.best, "schedule": self.schedule.state_dict()}
        save_checkpoint(self.run_dir, loop | weights)

    def _load_checkpoint(self) -> None:
        with reading_checkpoint(self.run_dir) as path:
            state = torch.load(path, weights_only=True, map_location="cpu")
            self.weights.load_state(state, self.optimizer)
            self.schedule.load_state_dict(state["schedule"])
            self.step, self.best = int(state["step"]), float(state["best"])
