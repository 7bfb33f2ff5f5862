"""Settings of a server; `lorify serve --set` and the documentation are generated from them."""

from __future__ import annotations

import math
import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lorify.serving.engines.local import EngineLimits
from lorify.serving.engines.vllm import VllmLimits

CLOSING_REPLY_SECONDS = 2
"""Time to send errors to clients whose work was unfinished when the drain time ran out."""


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")


class ServingSettings(BaseModel):
    """Limits of a server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineLimits = Field(default=EngineLimits(), description="The local engine.")
    vllm: VllmLimits = Field(default=VllmLimits(), description="The vLLM server used with `--engine vllm`.")
    max_upload_bytes: int = Field(default=32 << 20, ge=1, description="Limit on the documents of a request.")
    max_request_bytes: int = Field(
        default=1 << 20, ge=1, description="Limit on the body of any other request, such as a chat."
    )
    max_received_bytes: int = Field(
        default=256 << 20,
        ge=1,
        description="Limit on the bodies of all requests being received or answered; further ones get status 429.",
    )
    max_connections: int = Field(
        default=512, ge=1, description="Open connections; above it the one that has been idle longest is closed."
    )
    max_requests_per_second: float = Field(
        default=25,
        gt=0,
        description="With API keys: requests a second without a key from one address, and of one key if there are "
        "several; after a pause twice as many at once. Further ones wait, or get status 429 if that takes over 2 s.",
    )
    header_seconds: float = Field(default=10, gt=0, description="Time limit for receiving the headers of a request.")
    body_seconds: float = Field(
        default=30, gt=0, description="Time limit for receiving a body, plus one second for each 16 KiB received."
    )
    send_seconds: float = Field(
        default=60, gt=0, description="A client that takes nothing of its response for so long is disconnected."
    )
    max_key_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Share of answers, queues, threads and memory for bodies that one of several API keys may take.",
    )
    max_preparing: int = Field(
        default=128,
        ge=1,
        description="Requests whose prompts are being tokenized or queued for it; further ones get status 429.",
    )
    max_document_tokens: int = Field(default=200_000, ge=1, description="Limit on a document, in tokens of the base.")
    max_document_pages: int = Field(default=1000, ge=1, description="Limit on a PDF, in pages.")
    max_documents: int = Field(default=64, ge=1, description="Limit on the documents of one adapter.")
    max_reading: int = Field(
        default=16,
        ge=1,
        description="Requests whose documents are being parsed or queued for it; further ones get status 429.",
    )
    max_internalizing: int = Field(
        default=64,
        ge=1,
        description="Adapters being generated or queued for it; further ones get status 429. As many may be checked.",
    )
    max_jobs: int = Field(
        default=64,
        ge=1,
        description="Adapters being made in the background; further ones get status 429. As many ended ones are kept.",
    )
    keep_job_seconds: float = Field(
        default=900, ge=0, description="Time after its end until a job in the background is forgotten."
    )
    max_refine_seconds: float = Field(
        default=30,
        ge=0,
        description="Limit on refine and study, the training of an adapter; meanwhile others wait. 0 refuses both.",
    )
    max_answers: int = Field(
        default=16, ge=1, description="Limit on the answers of one request: `n` times its prompts."
    )
    default_answer_tokens: int = Field(
        default=512, ge=1, description="Limit on a chat answer in tokens if the request gives none."
    )
    parse_seconds: float = Field(default=30, gt=0, description="Time limit for parsing an uploaded file.")
    parse_memory_bytes: int = Field(default=1 << 30, ge=1, description="Memory limit for parsing an uploaded file.")
    max_disk_bytes: int = Field(default=50 << 30, ge=1, description="Limit on the size of all adapters on disk.")
    max_key_disk_bytes: int = Field(
        default=10 << 30, ge=1, description="Limit on the adapters of one of several API keys on disk, tasks included."
    )
    max_memory_bytes: int = Field(default=2 << 30, ge=0, description="Limit on the adapters kept in memory.")
    max_used_adapter_bytes: int = Field(
        default=2 << 30,
        ge=1,
        description="Limit on the adapters of requests that wait or are being answered; further ones get status 429.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins of web pages that may use the server; `--cors-origin` gives them."
    )
    drain_seconds: float = Field(default=30, ge=0, description="Time to finish running answers after SIGTERM.")

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin; give scheme, host and port without a path, such as "
                    "http://localhost:3000, or * for every origin"
                )
        return origins

    @property
    def cut_seconds(self) -> int:
        """Time from SIGTERM until connections are cut; clients with unfinished work have got an error by then."""
        return math.ceil(self.drain_seconds) + CLOSING_REPLY_SECONDS
