"""Running commands that have to be refused, and damaging what they read."""

import hashlib
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from typer.testing import CliRunner, Result

from lorify.cli import app
from lorify.contexts.documents import MAX_BYTES
from lorify.training.associative.objective import AssociativeObjective


def run(*args: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


class Fail(Protocol):
    def __call__(self, *args: object, stdin: bytes | None = None) -> str: ...


def snapshot(folder: Path) -> dict[str, str]:
    """Every path under a folder with a digest of what it holds; sparse giants count by their size."""

    def content(path: Path) -> str:
        if not path.is_file():
            return "folder"
        if path.stat().st_size > MAX_BYTES:
            return str(path.stat().st_size)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_config(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


@contextmanager
def no_more_than(num_bytes: int) -> Iterator[None]:
    """No file may grow beyond a size: the system refuses the write in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stop_at_step(patch: pytest.MonkeyPatch, last: int) -> None:
    """Ctrl-C at the beginning of a training step."""
    loss = AssociativeObjective.loss

    def interrupted(self: AssociativeObjective, batch: int):
        if batch == last:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, batch)

    patch.setattr(AssociativeObjective, "loss", interrupted)


def train(config: Path, run_dir: Path) -> Result:
    return run("train", config, "-o", run_dir)
