"""Bodies of requests and responses: OpenAI's, and lorify's own for adapters."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_ADAPTERS = 16
MAX_SEED = 2**63 - 1

T = TypeVar("T")
# The first invalid item ends the validation: an error for each of many would take a lot of time and memory.
Items = Annotated[tuple[T, ...], Field(fail_fast=True)]
Prompt = str | Items[str] | Items[int] | Items[Items[int]]
StopText = Annotated[str, Field(max_length=1000)]


class _Request(BaseModel):
    """A request body; unknown fields are an error rather than silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        # JSON can contain lone surrogates, which tokenizers cannot encode.
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not _is_whole(text):
                raise ValueError("the text contains a lone surrogate, half of a character; send valid Unicode")
        return value


def _is_whole(text: str) -> bool:
    try:
        text.encode()  # much faster than checking each character
    except UnicodeEncodeError:
        return False
    return True


class ScaledAdapter(_Request):
    """An adapter to answer with, and its scale."""

    id: str = Field(description="Id of one of your adapters.", max_length=64)
    scale: float = Field(
        default=1.0, ge=0, le=10, allow_inf_nan=False, description="1 applies the adapter as generated, 0 turns it off."
    )


class StreamOptions(_Request):
    """Options of a streamed answer."""

    include_usage: bool = Field(default=False, description="End the stream with the token counts.")
    include_obfuscation: bool = Field(default=False, description="Accepted and ignored.")


class _Generation(_Request):
    """Fields shared by chats and completions."""

    model: str = Field(
        max_length=1000,
        description="The base, or `base:adapter` for the base with an adapter; GET /v1/models lists them.",
    )
    adapters: Items[ScaledAdapter] = Field(
        default=(), max_length=MAX_ADAPTERS, description="lorify: further adapters, each with a scale."
    )
    only_if_relevant: bool = Field(
        default=True,
        description="lorify: answer with the bare base if the question is not about the adapters' documents.",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Sampling temperature; 0, the default, is greedy."
    )
    top_p: float | None = Field(default=None, ge=0, le=1, description="Nucleus sampling, 1 by default.")
    seed: int | None = Field(default=None, ge=-MAX_SEED, le=MAX_SEED, description="Makes sampling reproducible.")
    n: int | None = Field(default=None, ge=1, le=128, description="Number of answers, 1 by default.")
    stop: StopText | Items[StopText] | None = Field(default=None, description="Up to 16 texts that end an answer.")
    stream: bool | None = Field(default=None, description="Stream the answer as server-sent events.")
    stream_options: StreamOptions | None = None
    user: str | None = Field(default=None, description="Accepted and ignored.")
    metadata: dict[str, Any] | None = Field(default=None, description="Accepted and ignored.")
    presence_penalty: Literal[0] | None = Field(default=None, description="Only 0 is supported.")
    frequency_penalty: Literal[0] | None = Field(default=None, description="Only 0 is supported.")

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return (self.stop,) if isinstance(self.stop, str) else self.stop or ()

    @model_validator(mode="after")
    def _check_stops(self) -> _Generation:
        if len(self.stops) > 16:
            raise ValueError(f"stop has {len(self.stops)} texts; give at most 16")
        return self


class TextPart(_Request):
    """A text part of a message."""

    type: Literal["text"]
    text: str


class Message(_Request):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[Items[TextPart], Field(min_length=1)]
    name: str | None = Field(default=None, description="Accepted and ignored.")

    @property
    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(_Generation):
    """POST /v1/chat/completions."""

    messages: Items[Message] = Field(min_length=1, description="The chat so far; the last turn is the user's.")
    max_tokens: int | None = Field(default=None, ge=1, description="Limit on the answer in tokens.")
    max_completion_tokens: int | None = Field(
        default=None, ge=1, description="Newer name of `max_tokens`; takes precedence."
    )
    logprobs: bool | None = Field(default=None, description="Return the log-probability of each token.")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="Also return this many most likely tokens at each position."
    )
    response_format: dict[Literal["type"], Literal["text"]] | None = Field(
        default=None, description="Only text is supported."
    )


class CompletionRequest(_Generation):
    """POST /v1/completions."""

    prompt: Prompt = Field(description="A text or a list of token ids, or a list of several.")
    max_tokens: int | None = Field(default=16, ge=1, description="Limit on the answer in tokens.")
    logprobs: int | None = Field(
        default=None,
        ge=0,
        le=20,
        description="Return the log-probability of each token and of this many most likely ones.",
    )
    echo: Literal[False] | None = Field(default=None, description="Only false is supported.")
    best_of: Literal[1] | None = Field(default=None, description="Only 1 is supported.")


class NewDocument(_Request):
    """A document as text."""

    text: str = Field(min_length=1, description="Its text.")
    name: str = Field(default="document", min_length=1, max_length=200, description="Its name.")


class NewAdapter(_Request):
    """POST /v1/adapters: exactly one of `text`, `documents` and `task`."""

    text: str | None = Field(default=None, min_length=1, description="A document as text.")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="Name of that document.")
    documents: Items[NewDocument] | None = Field(default=None, min_length=1, description="Several documents.")
    task: str | None = Field(
        default=None, min_length=1, max_length=20_000, description="A task, described in plain language."
    )

    @model_validator(mode="after")
    def _check_kind(self) -> NewAdapter:
        given = [name for name in ("text", "documents", "task") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} given; give exactly one of text, documents and task")
        if self.name is not None and self.text is None:
            raise ValueError("name goes with text; documents carry their own names")
        return self


class AdapterChange(_Request):
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


class AdapterDocument(BaseModel):
    """A document in an adapter."""

    name: str
    sha256: str
    num_tokens: int


class AdapterObject(BaseModel):
    """One of your adapters."""

    id: str
    object: Literal["adapter"] = "adapter"
    model: str = Field(description="The `model` to request for answers with it.")
    created: int = Field(description="Unix time in seconds.")
    num_bytes: int
    documents: list[AdapterDocument]
    hypernetwork: str
    hypernetwork_sha256: str | None
    base: str
    base_sha256: str
    fidelity: float | None = Field(
        description="Share of its documents' statements that it reproduces, 0 to 1; null unless requested with `check`."
    )
    checking: bool = Field(description="Whether its fidelity is being measured, or queued for it.")
    seconds: float | None = Field(default=None, description="Time to create it; only in responses to POST and PATCH.")
    reused: bool | None = Field(
        default=None,
        description="Whether it already existed or was being created; only in responses to POST and PATCH.",
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


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok", "failing"]
    base: str
    engine: str
    running: int
    waiting: int
    can_specialize: bool
    needs_key: bool
