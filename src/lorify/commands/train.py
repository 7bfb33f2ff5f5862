"""`train`: meta-train a hypernetwork from a config file."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from lorify.commands.options import load_base_model
from lorify.commands.settings import apply_settings, describe_defaults
from lorify.commands.terminal import LOG_EVERY_SECONDS, counting, duration, say_json, say_line, stderr
from lorify.errors import ConfigError

if TYPE_CHECKING:
    from lorify.hypernets.training_config import TrainingConfig
    from lorify.training.engine.loop import Progress, Trainer

INTERRUPTED = 130


def train(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="JSON file of the run.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="RUN_DIR", help="Folder of the run.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a value of the config, such as optimization.steps=200."
        ),
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="List every key, its default and its meaning.")] = False,
    kind: Annotated[str, typer.Option("--kind", help="With --defaults: what is to be trained.")] = "associative",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what a Perceiver run would take, without weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --defaults: write a config file.")] = False,
) -> None:
    """Meta-train a hypernetwork.

    The same command again goes on from the last checkpoint. The run folder gets `best` (give it to --hypernetwork),
    `checkpoint` and `curves` for TensorBoard.

    Example: lorify train run.json -o runs/mine --set optimization.steps=200
    (after: lorify train --defaults --json > run.json)
    """
    if defaults:
        from lorify.training.registry import find_training_kind

        config_type = find_training_kind(kind).config
        if as_json:
            say_json(config_type().model_dump(mode="json"))  # pyright: ignore[reportCallIssue]
        else:
            for line in describe_defaults(config_type):
                say_line(line)
        return
    if dry_run and config is not None:
        show_dry_run(read_config(config, settings or []), as_json=as_json)
        return
    if config is None or output is None:
        raise ConfigError("a config file and a run folder are needed: lorify train CONFIG -o RUN_DIR")
    run(read_config(config, settings or []), output)


def read_config(path: Path, settings: list[str]) -> TrainingConfig:
    """Read a config file and change it by `key.sub=value` settings; values are JSON, or else text.

    Raises:
        ConfigError: if the file or a setting is bad; all problems are listed.
    """
    from lorify.hypernets.training_config import RENAMED_KEYS
    from lorify.training.registry import load_training_config

    return load_training_config(path, lambda document: apply_settings(document, settings, RENAMED_KEYS))


def show_dry_run(config: TrainingConfig, *, as_json: bool) -> None:
    """Parameter counts, memory and time of a run.

    Raises:
        ConfigError: if the run is of a kind that this is not reckoned for.
    """
    from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
    from lorify.training.dry_run import ACCELERATOR_FLOPS, USED_SHARE, dry_run

    if not isinstance(config, PerceiverTrainingConfig):
        raise ConfigError(f"--dry-run is for runs of kind perceiver, and this is of kind {config.kind}; run it instead")
    found = dry_run(config)
    if as_json:
        say_json(found.as_dict())
        return
    say_line(f"base                  {found.base_parameters / 1e6:,.1f}M parameters, frozen")
    say_line(f"hypernetwork          {found.hypernetwork_parameters / 1e6:,.1f}M parameters, trained")
    for label, size in (
        ("weights", found.weights_bytes),
        ("training state", found.training_state_bytes),
        ("activations", found.activation_bytes),
        ("training, a process", found.training_bytes),
        ("generating an adapter", found.generation_bytes),
    ):
        say_line(f"{label:<21} {size / 2**30:,.2f} GiB")
    speed = f"{ACCELERATOR_FLOPS * USED_SHARE / 1e12:,.0f} TFLOP/s"
    say_line(f"{'a step':<21} {found.seconds_a_step:,.2f} s at {speed}")
    say_line(f"{'the run':<21} {found.hours:,.1f} h on {config.num_processes} such devices")


def run(config: TrainingConfig, run_dir: Path) -> None:
    """Train to the end with a progress line; Ctrl-C stops and says how to go on."""
    from accelerate import PartialState

    from lorify.base.model import best_device
    from lorify.training.engine.loop import Trainer
    from lorify.training.engine.processes import check_launch
    from lorify.training.engine.run_folder import check_run_dir, checkpoint_path
    from lorify.training.prepare import Preparation
    from lorify.training.registry import find_training_kind

    check_launch()
    # Under `accelerate launch` this gives each process its device, which has to be before the base is loaded.
    processes = PartialState(cpu=best_device().type == "cpu")
    check_run_dir(run_dir, config)
    load = partial(load_base_model, sharded=config.sharded_base and processes.num_processes > 1)
    objective = find_training_kind(config.kind).prepare(config, Preparation(run_dir, load, counting))
    trainer = Trainer(config, objective, run_dir)
    if not processes.is_main_process:
        trainer.run(lambda _progress: None)
        return
    unshared = [key for key in ("sharded", "sharded_base") if getattr(config, key) and processes.num_processes == 1]
    if unshared:
        stderr().print(
            f"{', '.join(unshared)}: this is one process, which keeps everything; start several with accelerate launch"
        )
    if trainer.step:
        stderr().print(f"going on from step {trainer.step}")
    try:
        _train_with_progress(trainer)
    except KeyboardInterrupt:
        next_time = "goes on from the last checkpoint" if checkpoint_path(run_dir).exists() else "starts again"
        stderr().print(f"stopped at step {trainer.step}; the same command {next_time}", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    say_line(str(run_dir / "best"))


def _train_with_progress(trainer: Trainer) -> None:
    console, steps = stderr(), trainer.config.optimization.steps
    if not console.is_terminal:
        trainer.run(_line_reporter(trainer.step, steps))
        return
    columns = (BarColumn(20), MofNCompleteColumn(), TimeLeftColumn(), TextColumn("{task.description}"))
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("", total=steps, completed=trainer.step)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.step, description=describe_progress(progress))
            if any(name.startswith("heldout/") for name in progress.metrics):
                bar.console.print(f"step {progress.step}: {describe_heldout(progress)}", markup=False)

        trainer.run(show)


def _line_reporter(first_step: int, steps: int):
    """A line every few seconds, for logs."""
    started, last = time.monotonic(), 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        heldout = describe_heldout(progress)
        if now - last < LOG_EVERY_SECONDS and progress.step < steps and not heldout:
            return
        last = now
        left = (now - started) / (progress.step - first_step) * (steps - progress.step)
        line = f"step {progress.step} of {steps}, {duration(left)} left: {describe_progress(progress)}"
        stderr().print(line + (f"; {heldout}" if heldout else ""), markup=False)

    return show


def describe_progress(progress: Progress) -> str:
    """Loss, exact match by kind and speed of a step."""
    exact = " ".join(
        f"{name.removeprefix('exact/')} {value:.2f}"
        for name, value in sorted(progress.metrics.items())
        if name.startswith("exact/")
    )
    parts = [f"loss {progress.metrics['loss']:.3f}", f"exact {exact}" if exact else ""]
    parts.append(f"{progress.tokens_per_second:,.0f} tokens/s" if progress.tokens_per_second else "")
    return ", ".join(part for part in parts if part)


def describe_heldout(progress: Progress) -> str:
    """Exact match (or what else there is) on held-out data, where the step was evaluated."""
    prefix = "heldout/exact/"
    values = [(name, value) for name, value in sorted(progress.metrics.items()) if name.startswith(prefix)]
    shown = " ".join(f"{name.removeprefix(prefix)} {value:.2f}" for name, value in values)
    others = {name.removeprefix("heldout/"): v for name, v in progress.metrics.items() if name.startswith("heldout/")}
    if not values and others:
        return "held-out " + " ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in sorted(others.items()))
    return f"held-out exact {shown}" if shown else ""
