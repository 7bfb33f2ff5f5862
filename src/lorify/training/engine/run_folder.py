"""The folder of a run: `config.json`, `checkpoint/state.pt`, `best` with `best.json` and TensorBoard's `curves`.

If the config asks for them, `snapshots/STEP` hold the trained weights at some steps.

A checkpoint is one file that is replaced atomically: however a run ends, its last complete checkpoint exists.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import torch
from filelock import FileLock, Timeout
from pydantic import ValidationError
from safetensors import SafetensorError

from lorify.atomic import failure_reason, replaced_file
from lorify.errors import TrainingError, first_line
from lorify.hypernets.training_config import TrainingConfig

CONFIG_NAME = "config.json"
LAST_NAME = "last"
LOCK_NAME = ".lock"
SNAPSHOTS_NAME = "snapshots"
REASON_CHARS = 160


def check_run_dir(run_dir: Path, config: TrainingConfig) -> None:
    """Check that a run can use a folder, without writing to it.

    Raises:
        TrainingError: if it is a file, cannot be written, or holds a run with another config.
    """
    existing = run_dir.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise TrainingError(f"run folder {run_dir}: {existing} is a file; give a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise TrainingError(f"run folder {run_dir}: {existing} cannot be written; give a folder that you can write to")
    path = run_dir / CONFIG_NAME
    try:
        same = not path.exists() or type(config).model_validate_json(path.read_bytes()) == config
    except (OSError, ValidationError):
        same = False
    if not same:
        raise TrainingError(f"{run_dir} holds a run with another config; choose another folder or delete it")


def start_run(run_dir: Path, config: TrainingConfig) -> None:
    """Create the folder and its config, unless they exist.

    Raises:
        TrainingError: as in `check_run_dir`, or if the folder cannot be written.
    """
    check_run_dir(run_dir, config)
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        if not (run_dir / CONFIG_NAME).exists():
            with replaced_file(run_dir / CONFIG_NAME) as path:
                path.write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def only_run(run_dir: Path) -> Iterator[None]:
    """Hold the folder's lock, so that no other process trains in it.

    Raises:
        TrainingError: if another process holds it, or the folder cannot be written.
    """
    lock = FileLock(run_dir / LOCK_NAME, timeout=0)
    with writing(run_dir):
        try:
            lock.acquire()
        except Timeout as error:
            raise TrainingError(
                f"another process is training in {run_dir}; stop it, wait for it, or give another folder"
            ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # some systems refuse to delete an open file; a lock file left behind does no harm
            (run_dir / LOCK_NAME).unlink()
        lock.release()


@contextmanager
def writing(run_dir: Path) -> Iterator[None]:
    """Turn errors from writing to a run folder into a TrainingError.

    Raises:
        TrainingError: if a file cannot be written in the `with` block.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"run folder {run_dir} cannot be written ({failure_reason(error)}); free disk space and run the same "
            "command, which resumes from the last checkpoint, or give another folder"
        ) from error


def checkpoint_path(run_dir: Path) -> Path:
    """Return the path of a run's checkpoint, which may not exist."""
    return run_dir / "checkpoint" / "state.pt"


def snapshot_path(run_dir: Path, step: int) -> Path:
    """Return the folder of the snapshot of a step."""
    return run_dir / SNAPSHOTS_NAME / f"{step:08d}"


def stop_path(run_dir: Path) -> Path:
    """Return the path of the file whose presence ends a run at its next snapshot."""
    return run_dir / "stop.json"


def save_checkpoint(run_dir: Path, state: Mapping[str, object]) -> None:
    """Write the checkpoint of a run, atomically replacing the earlier one.

    Raises:
        TrainingError: if it cannot be written; the earlier one is kept then.
    """
    with writing(run_dir), replaced_file(checkpoint_path(run_dir)) as path, path.open("wb") as file:
        recorder = _ErrorRecorder(file)
        try:
            torch.save(dict(state), recorder)  # pyright: ignore[reportArgumentType]
        except RuntimeError:
            if recorder.error is not None:  # torch only reports missing bytes; the system gives the reason
                raise recorder.error from None
            raise


class _ErrorRecorder:
    """A file that records why a write failed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            self.file.flush()
        except OSError as error:
            self.error = error
            raise


@contextmanager
def reading_checkpoint(run_dir: Path) -> Iterator[Path]:
    """Yield the path of the checkpoint, and report any error of the `with` block as a damaged checkpoint.

    Raises:
        TrainingError: if there was an error.
    """
    path = checkpoint_path(run_dir)
    try:
        yield path
    except Exception as error:  # damage can raise any type of error
        reason = first_line(error)[:REASON_CHARS]
        raise TrainingError(
            f"checkpoint {path} is damaged ({type(error).__name__}: {reason}); delete {run_dir} to start again"
        ) from error
