"""Reading and writing run folders.

A run folder holds `config.json` (the settings), `environment.json` (versions and machine) and `answers.jsonl` (one
answer per line). Answers are appended as they are given, so that an interrupted run can continue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lorify.atomic import replaced_file
from lorify.errors import EvaluationError, first_line
from lorify.evaluation.runs.environment import describe_environment
from lorify.evaluation.runs.records import AnswerRecord, RunConfig, differing_settings

CONFIG_NAME = "config.json"
ENVIRONMENT_NAME = "environment.json"
ANSWERS_NAME = "answers.jsonl"


def check_run_folder(folder: Path) -> None:
    """Check that a run can be written to a folder, before any work is done.

    Raises:
        EvaluationError: if it is a file, or holds files but no run.
    """
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"output {folder} is a file; give a folder with -o")
    if folder.is_dir() and not (folder / CONFIG_NAME).exists() and any(not _is_hidden(p) for p in folder.iterdir()):
        raise EvaluationError(f"output {folder} holds files but no run; give a new or empty folder with -o")


def open_run(folder: Path, config: RunConfig) -> list[AnswerRecord]:
    """Start a run in a folder, or continue the one it holds.

    Returns:
        The answers that the folder holds already.

    Raises:
        EvaluationError: if the folder holds a run with other settings or other files, or cannot be written.
    """
    check_run_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CONFIG_NAME).exists():
            _check_same_settings(folder, config)
        else:
            write_text(folder / CONFIG_NAME, config.model_dump_json(indent=1) + "\n")
        write_text(folder / ENVIRONMENT_NAME, json.dumps(describe_environment(), indent=1) + "\n")
        answers = load_answers(folder)
        rewrite_answers(folder, answers)  # without an incomplete last line
    except OSError as error:
        raise EvaluationError(f"output {folder} cannot be written ({error.strerror}); give a folder with -o") from error
    return answers


def load_config(folder: Path) -> RunConfig:
    """Read the config of a run.

    Raises:
        EvaluationError: if the folder holds no run, or its config is damaged or of another format version.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise EvaluationError(
            f"{folder} is not a run folder: it has no {CONFIG_NAME}; give a folder that `lorify eval` wrote"
        )
    try:
        return RunConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = first_line(error)
        raise EvaluationError(
            f"{path} is damaged or of another version ({reason}); run the evaluation again"
        ) from error


def load_answers(folder: Path) -> list[AnswerRecord]:
    """Read the answers of a run; an incomplete last line is dropped.

    Raises:
        EvaluationError: if another line is damaged.
    """
    path = folder / ANSWERS_NAME
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines()  # a process killed while writing leaves no newline
    answers = []
    for number, line in enumerate(lines, start=1):
        try:
            answers.append(AnswerRecord.model_validate_json(line))
        except ValidationError as error:
            raise EvaluationError(
                f"{path}, line {number} is damaged; delete the line and run the same command again"
            ) from error
    return answers


def rewrite_answers(folder: Path, answers: Sequence[AnswerRecord]) -> None:
    """Replace the answers of a run."""
    write_text(folder / ANSWERS_NAME, "".join(answer.model_dump_json() + "\n" for answer in answers))


def append_answers(folder: Path, answers: Sequence[AnswerRecord]) -> None:
    """Append answers to a run.

    Raises:
        EvaluationError: if they cannot be written, for example because the disk is full.
    """
    path = folder / ANSWERS_NAME
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(answer.model_dump_json() + "\n" for answer in answers))
    except OSError as error:
        raise EvaluationError(
            f"answers cannot be appended to {path} ({error.strerror}); free disk space and run the same command again"
        ) from error


def write_text(path: Path, content: str) -> None:
    """Write a text file atomically."""
    with replaced_file(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _check_same_settings(folder: Path, config: RunConfig) -> None:
    differences = differing_settings(load_config(folder), config)
    if differences:
        raise EvaluationError(
            f"{folder} holds a run with other settings ({'; '.join(differences)}); give another folder, or the same "
            "settings to continue it"
        )
