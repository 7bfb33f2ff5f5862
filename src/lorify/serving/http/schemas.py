"""Bodies of requests and answers: OpenAI's, and lorify's own for adapters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_ADAPTERS = 16
MAX_SEED = 2**63 - 1


class _Request(BaseModel):
    """What clients send; a field that is not known is an error, not silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        # JSON may hold halves of characters, which no tokenizer takes.
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not _is_whole(text):
                raise ValueError("there is half of a character (a lone surrogate) in the text; send whole ones")
        return value


def _is_whole(text: str) -> bool:
    try:
        text.encode()  # many times as fast as looking at each character
    except UnicodeEncodeError:
        return False
    return True


class ScaledAdapter(_Request):
    """An adapter to answer with."""

    id: str = Field(description="Id of one of your adapters.", max_length=64)
    scale: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False, description="1 is as made, 0 is off.")


class StreamOptions(_Request):
    """Details of a stream."""

    include_usage: bool = Field(default=False, description="End the stream with the numbers of tokens.")
    include_obfuscation: bool = Field(default=False, description="Accepted and without effect.")


class _Generation(_Request):
    """What chats and completions have in common."""

    model: str = Field(description="The base, or `base:adapter` for an adapter on it; GET /v1/models lists them.")
    adapters: tuple[ScaledAdapter, ...] = Field(
        default=(), max_length=MAX_ADAPTERS, description="lorify: further adapters, each with a scale."
    )
    only_if_relevant: bool = Field(
        default=True, description="lorify: leave what does not concern the adapters' documents to the bare base."
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="0, the default, is greedy.")
    top_p: float | None = Field(default=None, ge=0, le=1, description="Nucleus of the sampling, 1 by default.")
    seed: int | None = Field(default=None, ge=-MAX_SEED, le=MAX_SEED, description="Makes sampling reproducible.")
    n: int | None = Field(default=None, ge=1, le=128, description="Number of answers, 1 by default.")
    stop: str | tuple[str, ...] | None = Field(
        default=None, max_length=1000, description="Up to 16 texts that end an answer."
    )
    stream: bool | None = Field(default=None, description="Send the answer piece by piece (SSE).")
    stream_options: StreamOptions | None = None
    user: str | None = Field(default=None, description="Accepted and without effect.")
    metadata: dict[str, Any] | None = Field(default=None, description="Accepted and without effect.")
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
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(_Request):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[tuple[TextPart, ...], Field(min_length=1)]
    name: str | None = Field(default=None, description="Accepted and without effect.")

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(_Generation):
    """POST /v1/chat/completions."""

    messages: tuple[Message, ...] = Field(min_length=1, description="The chat so far, the user's turn last.")
    max_tokens: int | None = Field(default=None, ge=1, description="Longest answer in tokens.")
    max_completion_tokens: int | None = Field(default=None, ge=1, description="The same under its newer name.")
    logprobs: bool | None = Field(default=None, description="Tell the log-probability of each token.")
    top_logprobs: int | None = Field(default=None, ge=0, le=20, description="And of so many likely ones.")
    response_format: dict[Literal["type"], Literal["text"]] | None = Field(
        default=None, description="Only text is supported."
    )


class CompletionRequest(_Generation):
    """POST /v1/completions."""

    prompt: str | tuple[str, ...] | tuple[int, ...] | tuple[tuple[int, ...], ...] = Field(
        description="A text or its token ids, or several of them."
    )
    max_tokens: int | None = Field(default=16, ge=1, description="Longest answer in tokens.")
    logprobs: int | None = Field(default=None, ge=0, le=20, description="Tell so many likely tokens at each position.")
    echo: Literal[False] | None = Field(default=None, description="Only false is supported.")
    best_of: Literal[1] | None = Field(default=None, description="Only 1 is supported.")


class NewDocument(_Request):
    """A document as text."""

    text: str = Field(min_length=1, description="Its text.")
    name: str = Field(default="document", min_length=1, max_length=200, description="What to call it.")


class NewAdapter(_Request):
    """POST /v1/adapters: one of `text`, `documents` and `task`."""

    text: str | None = Field(default=None, min_length=1, description="A document as text.")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="What to call that document.")
    documents: tuple[NewDocument, ...] | None = Field(default=None, min_length=1, description="Several documents.")
    task: str | None = Field(default=None, min_length=1, max_length=20_000, description="A task in plain words.")

    @model_validator(mode="after")
    def _check_kind(self) -> NewAdapter:
        given = [name for name in ("text", "documents", "task") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} given; give one of text, documents and task")
        if self.name is not None and self.text is None:
            raise ValueError("name goes with text; each of documents has its own")
        return self


class AdapterChange(_Request):
    """PATCH /v1/adapters/{id}."""

    add: tuple[NewDocument, ...] = Field(
        default=(), description="Documents to add; one of a name that is there already replaces it."
    )
    remove: tuple[str, ...] = Field(default=(), description="Names of documents to remove.")

    @model_validator(mode="after")
    def _check_any(self) -> AdapterChange:
        if not self.add and not self.remove:
            raise ValueError("nothing to do; give documents to add or names to remove")
        return self


class AdapterDocument(BaseModel):
    """A document in an adapter."""

    name: str
    sha256: str
    num_tokens: int


class AdapterObject(BaseModel):
    """An adapter of yours."""

    id: str
    object: Literal["adapter"] = "adapter"
    model: str = Field(description="What to give as `model` to ask it.")
    created: int = Field(description="Seconds since 1970.")
    num_bytes: int
    documents: list[AdapterDocument]
    hypernetwork: str
    hypernetwork_sha256: str | None
    base: str
    base_sha256: str
    fidelity: float | None = Field(
        description="Share of its documents' statements that it holds, if that was measured: POST with `check`."
    )
    checking: bool = Field(description="Whether its fidelity is being measured now.")
    seconds: float | None = Field(default=None, description="Time it took to make, in the answer to POST and PATCH.")
    reused: bool | None = Field(
        default=None, description="Whether it was there already or being made, in the answer to POST."
    )


class AdapterList(BaseModel):
    """All adapters of yours."""

    object: Literal["list"] = "list"
    data: list[AdapterObject]


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: Literal["adapter"] = "adapter"
    deleted: Literal[True] = True


class ModelObject(BaseModel):
    """A model to name in requests."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """The base, and each adapter of yours on it."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class ErrorDetail(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """Every answer with a status of 400 or above."""

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
