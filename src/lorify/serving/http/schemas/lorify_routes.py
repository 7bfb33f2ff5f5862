"""Bodies of requests and responses of lorify's own routes, and OpenAI's list of models and errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from lorify.answering.choices import MAX_CHOICES
from lorify.hypernets.options import BiasScale
from lorify.serving.adapters.jobs import JobStatus
from lorify.serving.http.schemas.generation import MAX_ADAPTERS, ScaledAdapter
from lorify.serving.http.schemas.request_body import Items, RequestBody
from lorify.serving.progress import Phase


class NewDocument(RequestBody):
    """A document as text."""

    text: str = Field(min_length=1, description="Its text.")
    name: str = Field(default="document", min_length=1, max_length=200, description="Its name.")


class NewExample(RequestBody):
    """An example of a task."""

    input: str = Field(min_length=1, max_length=20_000, description="An input.")
    output: str = Field(min_length=1, max_length=20_000, description="The right answer to it.")

    @model_validator(mode="after")
    def _check_words(self) -> NewExample:
        for name in ("input", "output"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty; give a text")
        return self


Study = Annotated[
    float | None,
    Field(
        gt=0,
        le=3600,
        description="Seconds of study, which improves what exports contain: answers to questions about the documents' "
        "sentences are fitted into the weights. Writing and answering the questions is included.",
    ),
]


class UploadOptions(BaseModel):
    """Fields of an upload beside its files."""

    bias_scale: BiasScale = None
    study: Study = None


class NewAdapter(RequestBody):
    """POST /v1/adapters: exactly one of `text`, `documents` and `task`."""

    text: str | None = Field(default=None, min_length=1, description="A document as text.")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="Name of that document.")
    documents: Items[NewDocument] | None = Field(default=None, min_length=1, description="Several documents.")
    task: str | None = Field(
        default=None, min_length=1, max_length=20_000, description="A task, described in plain language."
    )

    examples: Items[NewExample] | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Examples of the task, fitted into the adapter; with `check`, every second one.",
    )
    refine: float | None = Field(
        default=None, gt=0, le=3600, description="Seconds of training on the examples afterwards."
    )
    bias_scale: BiasScale = None
    study: Study = None

    @model_validator(mode="after")
    def _check_kind(self) -> NewAdapter:
        given = [name for name in ("text", "documents", "task") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} given; give exactly one of text, documents and task")
        if self.name is not None and self.text is None:
            raise ValueError("name goes with text; documents carry their own names")
        if self.task is None and (self.examples is not None or self.refine is not None):
            raise ValueError("examples and refine go with task; leave them out")
        if self.task is not None:
            for name in ("bias_scale", "study"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} goes with documents; leave it out")
        return self

    @property
    def given_documents(self) -> tuple[NewDocument, ...]:
        """The documents; none for a task."""
        if self.text is not None:
            return (NewDocument(text=self.text, name=self.name or "document"),)
        return self.documents or ()


class AdapterChange(RequestBody):
    """PATCH /v1/adapters/{id}."""

    add: Items[NewDocument] = Field(
        default=(), description="Documents to add; one with the name of a document already there replaces it."
    )
    remove: Items[str] = Field(default=(), description="Names of documents to remove.")

    @model_validator(mode="after")
    def _check_any(self) -> AdapterChange:
        if not self.add and not self.remove:
            raise ValueError("nothing to change; give documents to add or names to remove")
        return self


class AdapterLabel(RequestBody):
    """PUT /v1/adapters/{id}/label."""

    label: str | None = Field(max_length=200, description="Your name for the adapter; null or empty takes it away.")


class ChoiceRequest(RequestBody):
    """POST /v1/choices."""

    model: str = Field(
        max_length=1000, description="The base, or `base:adapter` for the base with an adapter; see GET /v1/models."
    )
    input: str = Field(min_length=1, description="The question, or the input of the adapter's task.")
    choices: Items[Annotated[str, Field(max_length=1000)]] = Field(
        min_length=2, max_length=MAX_CHOICES, description="The possible answers, such as labels."
    )
    adapters: Items[ScaledAdapter] = Field(
        default=(), max_length=MAX_ADAPTERS, description="Further adapters, each with a scale."
    )
    only_if_relevant: bool = Field(
        default=True, description="Use the bare base if the question is not about the adapters' documents."
    )


class RankedChoice(BaseModel):
    """A choice and its probability."""

    text: str
    probability: float = Field(description="Probability that it is the answer, given that one of the choices is.")


class RankedChoices(BaseModel):
    """All choices, the most probable one first."""

    object: Literal["list"] = "list"
    model: str
    answer: str = Field(description="The most probable choice.")
    adapter_on: bool = Field(description="Whether an adapter was on.")
    data: list[RankedChoice]


class AdapterDocument(BaseModel):
    """A document in an adapter."""

    name: str
    sha256: str
    num_tokens: int


class WrongAnswer(BaseModel):
    """An example that an adapter got wrong."""

    input: str
    expected: str
    answer: str


class TaskCheckObject(BaseModel):
    """Shares of right answers on the examples of a task, 0 to 1."""

    questions: int = Field(description="Number of examples.")
    adapter: float = Field(description="With the adapter.")
    description_in_prompt: float = Field(description="By the base, with the description in the prompt.")
    examples_in_prompt: float | None = Field(
        description="By the base, with up to three other examples in the prompt; null if there is a single example."
    )
    wrong: list[WrongAnswer] = Field(description="What the adapter got wrong.")


class AdapterObject(BaseModel):
    """One of your adapters."""

    id: str
    object: Literal["adapter"] = "adapter"
    model: str = Field(description="The `model` to request for answers with it.")
    label: str | None = Field(description="Your name for it; null if you gave it none.")
    created: int = Field(description="Unix time in seconds.")
    num_bytes: int
    documents: list[AdapterDocument]
    hypernetwork: str
    hypernetwork_sha256: str | None
    base: str
    base_sha256: str
    bias_scale: float | None = Field(description="Scale of its bias adapter if it is not 1; null otherwise.")
    studied_seconds: float | None = Field(description="How long it studied; null if it did not.")
    follows: float | None = Field(
        description="Estimated probability that it does what its description asks, 0 to 1; null for documents, for "
        "tasks with examples, adapters of earlier versions, and if nothing was fitted for its hypernetwork."
    )
    fidelity: float | None = Field(
        description="Share of its documents' statements that it reproduces, 0 to 1; null unless requested with `check`."
    )
    checking: bool = Field(description="Whether its fidelity is being measured, or queued for it.")
    seconds: float | None = Field(default=None, description="Time to create it; only in responses to POST and PATCH.")
    reused: bool | None = Field(
        default=None,
        description="Whether it already existed or was being created; only in responses to POST and PATCH.",
    )
    task_check: TaskCheckObject | None = Field(
        default=None, description="How well it does on the examples of its task; only in the response to POST."
    )
    warnings: list[str] = Field(
        default=[], description="What may keep it from doing its task; only in the response to POST."
    )


class AdapterList(BaseModel):
    """All your adapters."""

    object: Literal["list"] = "list"
    data: list[AdapterObject]


class Deleted(BaseModel):
    """A deleted adapter."""

    id: str
    object: Literal["adapter"] = "adapter"
    deleted: Literal[True] = True


class ModelObject(BaseModel):
    """A model that requests can name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """The base, and each of your adapters on it."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class ErrorDetail(BaseModel):
    """The problem with a request."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every response with a status of 400 or above."""

    error: ErrorDetail


class JobObject(BaseModel):
    """An adapter that is being made in the background, or was."""

    id: str
    object: Literal["job"] = "job"
    created: int = Field(description="Unix time in seconds.")
    status: JobStatus
    phase: Phase | None = Field(description="What is being done; null once the job has ended.")
    fraction: float = Field(description="Share of the documents that has been internalized, 0 to 1.")
    seconds_left: float | None = Field(description="Time until they are internalized; null while it cannot be told.")
    adapter: AdapterObject | None = Field(description="The adapter, once the job has succeeded.")
    error: ErrorDetail | None = Field(description="Why the job failed.")


class JobList(BaseModel):
    """All your jobs."""

    object: Literal["list"] = "list"
    data: list[JobObject]


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok", "failing"]
    base: str
    engine: str
    running: int
    waiting: int
    can_specialize: bool
    has_bias_adapter: bool = Field(description="Whether `bias_scale` of POST /v1/adapters can be used.")
    needs_key: bool
