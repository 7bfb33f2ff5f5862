"""Fields that chats and completions share, and the body of `/v1/completions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lorify.serving.http.schemas.request_body import Items, OpenAIBody, RequestBody, expecting

MAX_ADAPTERS = 16
MAX_SEED = 2**63 - 1
MAX_STOPS = 16

Prompt = str | Items[str] | Items[int] | Items[Items[int]]
StopText = Annotated[str, Field(max_length=1000)]


class ScaledAdapter(RequestBody):
    """An adapter to answer with, and its scale."""

    id: str = Field(description="Id of one of your adapters.", max_length=64)
    scale: float = Field(
        default=1.0, ge=0, le=10, allow_inf_nan=False, description="1 applies the adapter as generated, 0 turns it off."
    )


class StreamOptions(OpenAIBody):
    """Options of a streamed answer."""

    include_usage: bool = Field(default=False, description="End the stream with the token counts.")
    include_obfuscation: bool = Field(default=False, description="Accepted and ignored.")


IGNORED = "Accepted and ignored."
Ignored = Annotated[Any, Field(description=IGNORED)]
"""A field that OpenAI documents and that has no effect on an answer of lorify, such as a hint for caches."""


class GenerationBody(OpenAIBody):
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
    stop: Annotated[
        StopText | Items[StopText] | None, expecting("a text or a list of texts of at most 1000 characters")
    ] = Field(default=None, description="Up to 16 texts that end an answer.")
    stream: bool | None = Field(default=None, description="Stream the answer as server-sent events.")
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Subtracted from the logits of tokens that are in the answer already."
    )
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Subtracted as often as a token is in the answer already."
    )
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        default=None, max_length=1000, description="Added to the logits of tokens: token id -> -100 to 100."
    )
    user: Ignored = None
    metadata: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        stops = (self.stop,) if isinstance(self.stop, str) else self.stop or ()
        return tuple(stop for stop in stops if stop)

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @model_validator(mode="after")
    def _check_stops(self) -> GenerationBody:
        if len(self.stops) > MAX_STOPS:
            raise ValueError(f"stop has {len(self.stops)} texts; give at most {MAX_STOPS}")
        return self


def _no_text(value: Any) -> Any:
    return value or None


class CompletionRequest(GenerationBody):
    """POST /v1/completions."""

    prompt: Annotated[Prompt, expecting("a text or a list of token ids, or a list of several")] = Field(
        description="A text or a list of token ids, or a list of several."
    )
    max_tokens: int | None = Field(default=16, ge=1, description="Limit on the answer in tokens.")
    logprobs: int | None = Field(
        default=None,
        ge=0,
        le=20,
        description="Return the log-probability of each token and of this many most likely ones.",
    )
    echo: Annotated[Literal[False] | None, expecting("false; the prompt is not repeated")] = Field(
        default=None, description="Only false is supported."
    )
    best_of: Annotated[Literal[1] | None, expecting("1; n gives several answers")] = Field(
        default=None, description="Only 1 is supported."
    )
    suffix: Annotated[None, expecting("no text; a completion goes on after the prompt"), BeforeValidator(_no_text)] = (
        Field(default=None, description="Only an empty text is supported.")
    )
