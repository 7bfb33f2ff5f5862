"""The folder of a run: `config.json`, `checkpoint/state.pt`, `best` with `best.json` and TensorBoard's `curves`.

A checkpoint is one file, so that it is replaced in one step: whatever ends a run, the last whole checkpoint is there.
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
from lorify.errors import TrainingError
from lorify.hypernets.training_config import TrainingConfig

CONFIG_NAME = "config.json"
LOCK_NAME = ".lock"
REASON_CHARS = 160


def check_run_dir(run_dir: Path, config: TrainingConfig) -> None:
    """Refuse a folder that a run cannot have, before any work is done; nothing is written.

    Raises:
        TrainingError: if it is a file, cannot be written, or holds a run with another config.
    """
    place = run_dir.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise TrainingError(f"run folder {run_dir}: {place} is a file; give a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise TrainingError(f"run folder {run_dir}: {place} cannot be written; give a folder where you may write")
    path = run_dir / CONFIG_NAME
    try:
        same = not path.exists() or type(config).model_validate_json(path.read_bytes()) == config
    except (OSError, ValidationError):
        same = False
    if not same:
        raise TrainingError(f"{run_dir} holds a run with another config; choose another folder or delete it")


def start_run(run_dir: Path, config: TrainingConfig) -> None:
    """Make the folder, unless it is there.

    Raises:
        TrainingError: as `check_run_dir`, or the folder cannot be written after all.
    """
    check_run_dir(run_dir, config)
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        if not (run_dir / CONFIG_NAME).exists():
            with replaced_file(run_dir / CONFIG_NAME) as path:
                path.write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def only_run(run_dir: Path) -> Iterator[None]:
    """Keep other processes from training in the same folder.

    Raises:
        TrainingError: if another one does, or the folder cannot be written.
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
        with suppress(OSError):  # some systems refuse it while the file is open; it does no harm
            (run_dir / LOCK_NAME).unlink()
        lock.release()


@contextmanager
def writing(run_dir: Path) -> Iterator[None]:
    """Say that a run cannot be written, and how to go on.

    Raises:
        TrainingError: if the system refuses a write in the `with` block.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"run folder {run_dir} cannot be written ({failure_reason(error)}); make room, and the same command "
            "goes on from the last checkpoint, or give another folder"
        ) from error


def checkpoint_path(run_dir: Path) -> Path:
    """The checkpoint of a run, whether there is one or not."""
    return run_dir / "checkpoint" / "state.pt"


def save_checkpoint(run_dir: Path, state: Mapping[str, object]) -> None:
    """Replace the checkpoint.

    Raises:
        TrainingError: if it cannot be written; the earlier one stays.
    """
    with writing(run_dir), replaced_file(checkpoint_path(run_dir)) as path, path.open("wb") as file:
        remembering = _Remembering(file)
        try:
            torch.save(dict(state), remembering)  # pyright: ignore[reportArgumentType]
        except RuntimeError:
            if remembering.refusal is not None:  # torch only notices that bytes are missing; the system says why
                raise remembering.refusal from None
            raise


class _Remembering:
    """A file that remembers why the system refused a write."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.refusal: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        try:
            self.file.flush()
        except OSError as error:
            self.refusal = error
            raise


@contextmanager
def reading_checkpoint(run_dir: Path) -> Iterator[Path]:
    """Give the checkpoint's path; what goes wrong in the `with` block is blamed on it.

    Raises:
        TrainingError: if there was an error.
    """
    path = checkpoint_path(run_dir)
    try:
        yield path
    except Exception as error:  # readers raise whatever the damage makes them stumble over
        reason = (str(error).strip().splitlines() or ["no reason given"])[0][:REASON_CHARS]
        raise TrainingError(
            f"checkpoint {path} is damaged ({type(error).__name__}: {reason}); delete {run_dir} to start again"
        ) from error
