"""Contents of a run folder: the settings of the run (`config.json`) and its answers (lines of `answers.jsonl`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lorify.data.tasks.schema import Metric
from lorify.evaluation.methods.api import Method, needed_kinds
from lorify.evaluation.specs import update_label
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.importing.on_hub import hypernetwork_for
from lorify.hypernets.internalizer import DocumentInternalizer
from lorify.hypernets.specializer import Specializer
from lorify.json_text import as_json

MethodLabel = Annotated[str, AfterValidator(update_label)]
"""A method with its options; option names of version 0.1 are replaced."""


class RunConfig(BaseModel):
    """Everything that determines the answers of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = Field(2, description="Version of the folder's format.")
    suite: str = Field(description="The suite with its options.")
    methods: tuple[MethodLabel, ...] = Field(description="The methods with their options.")
    items_sha256: str = Field(description="SHA-256 of documents, questions and reference answers.")
    timed: bool = Field(description="Whether one question of each case was asked alone and timed.")
    max_new_tokens: int = Field(gt=0, description="Maximum answer length in tokens.")
    base: str = Field(description="Base model.")
    base_digest: str = Field(description="SHA-256 of its weights.")
    dtype: str = Field(description="Dtype of its weights.")
    device: str = Field(description="Device type it ran on.")
    hypernetwork: str | None = Field(description="Hypernetwork, or both of them; null if no method uses one.")
    hypernetwork_digest: str | None = Field(description="SHA-256 of its weights.")
    own_hypernetworks: dict[MethodLabel, str] = Field(
        {}, description="SHA-256 of the weights of hypernetworks given as options of methods, by method."
    )
    training_tasks: int | None = Field(None, description="Number of tasks the task hypernetwork was trained on.")


class AnswerRecord(BaseModel):
    """One line of `answers.jsonl`: a question, the answer of a method, its scores and its cost.

    In a timed run the first question of each case is asked alone and timed; the others are asked in batches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodLabel = Field(description="The method.")
    case: str = Field(description="The case.")
    index: int = Field(description="Index of the question in the case.")
    source: str = Field(description="Data set or generator.")
    condition: str = Field("", description="Experimental condition within the source.")
    reference: str = Field("", description="Condition with the same questions, which scores are relative to.")
    group: str = Field(description="Unit that intervals resample as a whole: the case, or its task.")
    family: str = Field("", description="Family of the task.")
    seed: int | None = Field(None, description="Seed that description and inputs of the task were drawn with.")
    description: str | None = Field(None, description="Task description that the method was given.")
    length_tokens: int = Field(description="Length of the documents in tokens.")
    depth_bin: int | None = Field(None, description="Depth bin of a needle.")
    question: str = Field(description="The question.")
    answers: tuple[str, ...] = Field(description="Acceptable answers.")
    field: str = Field("", description="The field that is scored, if the answer is JSON; `answers` are its values.")
    prediction: str = Field(description="The answer of the method.")
    exact: float = Field(description="Exact match (SQuAD).")
    f1: float = Field(description="Token F1 (SQuAD).")
    contains: float | None = Field(
        None, description="Whether the prediction contains an acceptable answer; null in older runs."
    )
    metric: Metric = Field("f1", description="How the case is scored.")
    score: float = Field(description="Score by that metric, from 0 to 1.")
    precision: float | None = Field(None, description="Word precision, where answers are scored as in Doc-to-LoRA.")
    recall: float | None = Field(None, description="Word recall, likewise.")
    rouge_l: float = Field(description="ROUGE-L F1.")
    rouge_l_recall: float = Field(description="ROUGE-L recall.")
    update_seconds: float = Field(description="Time to ingest the context.")
    update_peak_bytes: int | None = Field(description="Peak memory while ingesting.")
    adapter_bytes: int = Field(description="Size of the adapter's weights.")
    kept_bytes: int | None = Field(
        None, description="Size of what is stored with the weights for focusing and editing; null in older runs."
    )
    prompt_tokens: int | None = Field(None, description="Length of the prompt (timed answers).")
    first_token_seconds: float | None = Field(None, description="Time to the first token (timed answers).")
    seconds_per_token: float | None = Field(None, description="Time of each further token (timed answers).")
    kv_cache_bytes: int | None = Field(None, description="Size of keys and values at the end (timed answers).")
    answer_peak_bytes: int | None = Field(None, description="Peak memory while answering (timed answers).")

    @property
    def key(self) -> tuple[str, int]:
        """The question: case and index."""
        return self.case, self.index


def run_config(
    model: Lorify, suite: str, cases: Sequence[Case], methods: Sequence[Method], *, max_new_tokens: int, timed: bool
) -> RunConfig:
    """Build the config of a run with a loaded model.

    Args:
        model: base model and hypernetworks.
        suite: label of the suite.
        cases: cases of the suite; only their digest is stored.
        methods: the methods.
        max_new_tokens: maximum answer length in tokens.
        timed: whether answers are timed.
    """
    needs = needed_kinds(methods)
    used: list[DocumentInternalizer | Specializer] = []
    used += [model.internalizer] if "documents" in needs else []
    used += [model.specializer] if "tasks" in needs else []
    items = as_json([case.as_dict() for case in cases])
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
        own_hypernetworks={
            m.label: hypernetwork_digest(hypernetwork_for(model.base, m.own_hypernetwork))
            for m in methods
            if m.own_hypernetwork
        },
        training_tasks=model.specializer.num_training_tasks if "tasks" in needs else None,
    )  # pyright: ignore[reportCallIssue]


def differing_settings(first: RunConfig, second: RunConfig) -> list[str]:
    """List the settings that differ between two configs, as `key: first / second`."""
    a, b = first.model_dump(), second.model_dump()
    return [f"{key}: {_shorten(a[key])} / {_shorten(b[key])}" for key in a if a[key] != b[key]]


def _shorten(value: object) -> str:
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
