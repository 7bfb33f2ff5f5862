"""The folder of a run: `config.json` (what was asked of whom), `environment.json` (versions and machine) and
`answers.jsonl` (one line an answer, appended as they come, so that an interrupted run goes on).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.adapters.adapter import utc_now
from lorify.atomic import replaced_file
from lorify.data.tasks.schema import Metric
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Method
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.internalizer import DocumentInternalizer
from lorify.hypernets.specializer import Specializer

CONFIG_NAME = "config.json"
ENVIRONMENT_NAME = "environment.json"
ANSWERS_NAME = "answers.jsonl"
PACKAGES = ("lorify", "torch", "transformers", "tokenizers", "rouge-score", "bm25s", "numpy", "llmlingua")


class RunConfig(BaseModel):
    """What decides the answers of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = Field(2, description="Version of the folder's form.")
    suite: str = Field(description="The suite with its options.")
    methods: tuple[str, ...] = Field(description="The methods with their options.")
    items_sha256: str = Field(description="SHA-256 of documents, questions and answers.")
    timed: bool = Field(description="Whether a question of each case was asked alone and timed.")
    max_new_tokens: int = Field(gt=0, description="Longest answer, in tokens.")
    base: str = Field(description="Base model.")
    base_digest: str = Field(description="SHA-256 of its weights.")
    dtype: str = Field(description="Dtype of its weights.")
    device: str = Field(description="Where it ran.")
    hypernetwork: str | None = Field(description="Hypernetwork, or both kinds; null if no method needs one.")
    hypernetwork_digest: str | None = Field(description="SHA-256 of its weights.")
    own_hypernetworks: dict[str, str] = Field(
        {}, description="SHA-256 of the weights of hypernetworks that methods name in their options, by method."
    )
    training_tasks: int | None = Field(None, description="Number of tasks that a task hypernetwork was trained on.")


class Answer(BaseModel):
    """One line of `answers.jsonl`: a question, a method's answer, its scores and what it took.

    In a timed run the first question of each case is asked alone and timed; the others are asked together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(description="The method.")
    case: str = Field(description="The case.")
    index: int = Field(description="Which question of the case.")
    source: str = Field(description="Data set or generator.")
    condition: str = Field("", description="What sets the case apart in its source.")
    group: str = Field(description="What is drawn as a whole for intervals: the case, or its task.")
    family: str = Field("", description="Family of the task.")
    seed: int | None = Field(None, description="What description and inputs of the task were drawn with.")
    description: str | None = Field(None, description="Description of a task that the method was told.")
    length_tokens: int = Field(description="Length of the documents, in tokens.")
    depth_bin: int | None = Field(None, description="Depth of a needle.")
    question: str = Field(description="The question.")
    answers: tuple[str, ...] = Field(description="Acceptable answers.")
    prediction: str = Field(description="The answer given.")
    exact: float = Field(description="Exact match (SQuAD).")
    f1: float = Field(description="Token F1 (SQuAD).")
    metric: Metric = Field("f1", description="How the case is scored.")
    score: float = Field(description="Score by that metric, 0 to 1.")
    rouge_l: float = Field(description="ROUGE-L, F1.")
    rouge_l_recall: float = Field(description="ROUGE-L, recall.")
    update_seconds: float = Field(description="Time to take the documents in.")
    update_peak_bytes: int | None = Field(description="Most memory meanwhile.")
    adapter_bytes: int = Field(description="Size of the adapter's weights.")
    kept_bytes: int | None = Field(
        None, description="What is kept of the documents beside the weights; null in runs of before it was noted."
    )
    prompt_tokens: int | None = Field(None, description="Length of the prompt (timed answers).")
    first_token_seconds: float | None = Field(None, description="Time to the first token (timed answers).")
    seconds_per_token: float | None = Field(None, description="Time of each further token (timed answers).")
    kv_cache_bytes: int | None = Field(None, description="Keys and values at the end (timed answers).")
    answer_peak_bytes: int | None = Field(None, description="Most memory while answering (timed answers).")

    @property
    def key(self) -> tuple[str, int]:
        """The question: case and index."""
        return self.case, self.index


def run_config(
    model: Lorify, suite: str, cases: Sequence[Case], methods: Sequence[Method], *, max_new_tokens: int, timed: bool
) -> RunConfig:
    """The config of a run with a loaded model."""
    needs = {method.needs for method in methods}
    used: list[DocumentInternalizer | Specializer] = []
    used += [model.internalizer] if "documents" in needs else []
    used += [model.specializer] if "tasks" in needs else []
    items = json.dumps([case.as_dict() for case in cases], ensure_ascii=False)
    return RunConfig(
        suite=suite,
        methods=tuple(method.label for method in methods),
        items_sha256=hashlib.sha256(items.encode()).hexdigest(),
        timed=timed,
        max_new_tokens=max_new_tokens,
        base=model.base.name,
        base_digest=model.base.digest,
        dtype=str(model.base.dtype).removeprefix("torch."),
        device=model.base.device.type,
        hypernetwork=" + ".join(hypernetwork.name for hypernetwork in used) or None,
        hypernetwork_digest=" + ".join(hypernetwork.digest for hypernetwork in used) or None,
        own_hypernetworks={m.label: hypernetwork_digest(m.own_hypernetwork) for m in methods if m.own_hypernetwork},
        training_tasks=model.specializer.num_training_tasks if "tasks" in needs else None,
    )  # pyright: ignore[reportCallIssue]


def check_run_folder(folder: Path) -> None:
    """Refuse a folder that no run can be written to, before any work is done.

    Raises:
        EvaluationError: if it is a file, or holds files but no run.
    """
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"output {folder} is a file; give a folder with -o")
    if folder.is_dir() and not (folder / CONFIG_NAME).exists() and any(not _is_hidden(p) for p in folder.iterdir()):
        raise EvaluationError(f"output {folder} holds files but no run; give a new or empty folder with -o")


def open_run(folder: Path, config: RunConfig) -> list[Answer]:
    """Begin a run in a folder, or go on with the one that is there.

    Returns:
        The answers that are there already.

    Raises:
        EvaluationError: if the folder holds a run with another config or something else, or cannot be written.
    """
    check_run_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CONFIG_NAME).exists():
            _check_same(folder, config)
        else:
            write_text(folder / CONFIG_NAME, config.model_dump_json(indent=1) + "\n")
        write_text(folder / ENVIRONMENT_NAME, json.dumps(environment(), indent=1) + "\n")
        answers = load_answers(folder)
        rewrite_answers(folder, answers)  # without a last line that was cut short
    except OSError as error:
        raise EvaluationError(f"output {folder} cannot be written ({error.strerror}); give a folder with -o") from error
    return answers


def load_config(folder: Path) -> RunConfig:
    """The config of a run.

    Raises:
        EvaluationError: if the folder holds no run.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise EvaluationError(
            f"{folder} is no folder of a run: it has no {CONFIG_NAME}; give one that `lorify eval` wrote"
        )
    try:
        return RunConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise EvaluationError(
            f"{path} is damaged or of another version ({reason}); run the evaluation again"
        ) from error


def load_answers(folder: Path) -> list[Answer]:
    """The answers of a run so far; a last line that was cut short is dropped.

    Raises:
        EvaluationError: if another line is damaged.
    """
    path = folder / ANSWERS_NAME
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines()  # what was killed while writing has no end of line
    answers = []
    for number, line in enumerate(lines, start=1):
        try:
            answers.append(Answer.model_validate_json(line))
        except ValidationError as error:
            raise EvaluationError(
                f"{path}, line {number} is damaged; delete the line and run the same again"
            ) from error
    return answers


def rewrite_answers(folder: Path, answers: Sequence[Answer]) -> None:
    """Replace the answers of a run."""
    write_text(folder / ANSWERS_NAME, "".join(answer.model_dump_json() + "\n" for answer in answers))


def append_answers(folder: Path, answers: Sequence[Answer]) -> None:
    """Add answers to a run.

    Raises:
        EvaluationError: if the disk is full or the like.
    """
    path = folder / ANSWERS_NAME
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(answer.model_dump_json() + "\n" for answer in answers))
    except OSError as error:
        raise EvaluationError(
            f"answers cannot be appended to {path} ({error.strerror}); make room and run the same command again"
        ) from error


def environment() -> dict[str, object]:
    """Versions and machine."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "written": utc_now(),
        "versions": packages | {"python": platform.python_version()},
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def write_text(path: Path, content: str) -> None:
    """Write a file beside its place and rename it into it."""
    with replaced_file(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _check_same(folder: Path, config: RunConfig) -> None:
    known = load_config(folder)
    differences = differing_keys(known, config)
    if differences:
        raise EvaluationError(
            f"{folder} holds a run with other settings ({'; '.join(differences)}); give another folder, or the same "
            "settings to go on with it"
        )


def differing_keys(first: RunConfig, second: RunConfig) -> list[str]:
    """What sets two configs apart, as `key: first / second`."""
    a, b = first.model_dump(), second.model_dump()
    return [f"{key}: {_short(a[key])} / {_short(b[key])}" for key in a if a[key] != b[key]]


def _short(value: object) -> str:
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()
