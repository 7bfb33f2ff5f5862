"""`train`: train a hypernetwork from a config file."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import load_base_model
from lorify.commands.settings import apply_settings, describe_defaults
from lorify.commands.terminal import print_json, print_line, show_progress, stderr
from lorify.errors import ConfigError

if TYPE_CHECKING:
    from lorify.hypernets.training_config import TrainingConfig
    from lorify.training.engine.loop import Trainer

INTERRUPTED = 130
TERMINATED = 143


def train(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="JSON file of the run.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="RUN_DIR", help="Folder of the run.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a value of the config, such as optimization.steps=200."
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0, help="Stop with a checkpoint after this time; the same command continues."),
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="List every key, its default and its meaning.")] = False,
    kind: Annotated[str, typer.Option("--kind", help="With --defaults: the kind of run, see above.")] = "associative",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate parameters, memory and time without loading weights.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --defaults: write a config file; with --dry-run: write JSON.")
    ] = False,
) -> None:
    """Train a hypernetwork.

    The config's `kind` says what is trained. For documents: associative (lorify's own), reader (the part that finds
    answers), perceiver (Doc-to-LoRA). For tasks: system_message (lorify's own), task (Text-to-LoRA), lora (one LoRA for
    each task or for all), reconstruction (from such LoRAs). For all bases: extractor (quotes the words of a document
    that answer a question). A baseline: prompt (a LoRA for documents in the prompt).

    The same command resumes an interrupted run from its last checkpoint. The run folder gets `best` (what
    was trained, such as for --hypernetwork), `checkpoint`, and `curves` for TensorBoard.

    Example: lorify train run.json -o runs/mine --set optimization.steps=200
    (after: lorify train --defaults --json > run.json)
    """
    if defaults:
        show_defaults(kind, as_json=as_json)
    elif dry_run and config is not None:
        show_dry_run(load_training_config(config, settings or []), as_json=as_json)
    elif config is None or output is None:
        raise ConfigError("a config file and a run folder are needed: lorify train CONFIG -o RUN_DIR")
    else:
        run(load_training_config(config, settings or []), output, seconds)


def load_training_config(path: Path, settings: list[str]) -> TrainingConfig:
    """Read a config file and change it by `key.sub=value` settings; values are JSON, or else text.

    Raises:
        ConfigError: if the file or a setting is bad; all problems are listed.
    """
    from lorify.hypernets.training_config import RENAMED_KEYS
    from lorify.training.registry import load_training_config

    return load_training_config(path, lambda document: apply_settings(document, settings, RENAMED_KEYS))


def show_defaults(name: str, *, as_json: bool) -> None:
    """Print the default config of a kind of run, as a list or as a file.

    Raises:
        ConfigError: if no kind has the name.
    """
    from lorify.training.registry import find_training_kind

    kind = find_training_kind(name)
    if as_json:
        print_json(kind.config().model_dump(mode="json"))
        return
    print_line(f"# A run of kind {kind.name} writes {kind.output}.")
    for line in describe_defaults(kind.config):
        print_line(line)


def show_dry_run(config: TrainingConfig, *, as_json: bool) -> None:
    """Print the estimated parameters, memory and time of a run.

    Raises:
        ConfigError: if there are no estimates for the kind of run.
    """
    from lorify.training.dry_run import ACCELERATOR_FLOPS, UTILIZATION
    from lorify.training.registry import find_training_kind, kinds_with_dry_run

    estimate = find_training_kind(config.kind).dry_run
    if estimate is None:
        raise ConfigError(
            f"--dry-run cannot estimate runs of kind {config.kind}, only of kind {', '.join(kinds_with_dry_run())}; "
            "train a few steps instead, with --set optimization.steps=5"
        )
    found = estimate(config)
    if as_json:
        print_json(found.as_dict())
        return
    print_line(f"base                  {found.base_parameters / 1e6:,.1f}M parameters, frozen")
    print_line(f"hypernetwork          {found.hypernetwork_parameters / 1e6:,.1f}M parameters, trained")
    for label, size in (
        ("weights", found.weights_bytes),
        ("training state", found.training_state_bytes),
        ("activations", found.activation_bytes),
        ("training, a process", found.training_bytes),
        ("generating an adapter", found.generation_bytes),
    ):
        print_line(f"{label:<21} {size / 2**30:,.2f} GiB")
    speed = f"{ACCELERATOR_FLOPS * UTILIZATION / 1e12:,.0f} TFLOP/s"
    print_line(f"{'a step':<21} {found.seconds_a_step:,.2f} s at {speed}")
    print_line(f"{'the run':<21} {found.hours:,.1f} h on {found.num_processes} such devices")


def run(config: TrainingConfig, run_dir: Path, seconds: float | None) -> None:
    """Train to the end or for some time, with a progress line; on Ctrl-C stop and print how to resume."""
    from lorify.training.engine.loop import Trainer
    from lorify.training.engine.run_folder import check_run_dir
    from lorify.training.preparation import Preparation
    from lorify.training.registry import find_training_kind

    num_processes, is_main = join_processes()
    check_run_dir(run_dir, config)
    float32 = config.optimization.bf16 is False
    load = partial(load_base_model, float32=float32, sharded=config.sharded_base and num_processes > 1)
    objective = find_training_kind(config.kind).prepare(config, Preparation(run_dir, load, show_progress))
    trainer = Trainer(config, objective, run_dir)
    if not is_main:
        trainer.run(lambda _progress: None, seconds=seconds)
        return
    if num_processes == 1:
        warn_of_one_process(config)
    if trainer.step:
        stderr().print(f"resuming from step {trainer.step}")
    run_with_progress(trainer, seconds)
    print_line(str(run_dir / "best"))


def join_processes() -> tuple[int, bool]:
    """Join the processes of a run.

    Under `accelerate launch` this gives each process its device, which has to happen before the base is loaded.

    Returns:
        The number of processes, and whether this is the main one.
    """
    from accelerate import PartialState

    from lorify.base.loading import best_device
    from lorify.training.engine.launch import check_launch

    check_launch()
    state = PartialState(cpu=best_device().type == "cpu")
    return state.num_processes, state.is_main_process


def warn_of_one_process(config: TrainingConfig) -> None:
    """Name the settings that have no effect in a single process."""
    useless = [key for key in ("sharded", "sharded_base") if getattr(config, key)]
    if useless:
        stderr().print(f"{', '.join(useless)} has no effect: this is one process; start several with accelerate launch")


def run_with_progress(trainer: Trainer, seconds: float | None) -> None:
    """Train to the end or for some time; on Ctrl-C, and on SIGTERM after a checkpoint, say how to resume."""
    from lorify.commands.training.progress import reporting
    from lorify.training.engine.run_folder import checkpoint_path

    try:
        with reporting(trainer.step, trainer.config.optimization.steps) as report, terminated() as is_terminated:
            # Several processes would have to agree on the step after which they stop.
            should_stop = is_terminated if trainer.accelerator.num_processes == 1 else lambda: False
            trainer.run(report, seconds=seconds, should_stop=should_stop)
    except KeyboardInterrupt:
        next_time = "resumes from the last checkpoint" if checkpoint_path(trainer.run_dir).exists() else "starts again"
        stderr().print(f"stopped at step {trainer.step}; the same command {next_time}", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    if is_terminated():
        stderr().print(f"stopped at step {trainer.step}; the same command resumes from there", markup=False)
        raise typer.Exit(TERMINATED)


@contextmanager
def terminated() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM while the `with` block runs; yields a function that says whether it came.

    A second SIGTERM ends the process at once.
    """
    is_terminated = False

    def on_signal(number: int, _frame: object) -> None:
        nonlocal is_terminated
        is_terminated = True
        signal.signal(number, previous)

    previous = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield lambda: is_terminated
    finally:
        signal.signal(signal.SIGTERM, previous)
