"""What a server may be told; the command's `--set` and the documentation come from here."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from lorify.serving.engines.local import EngineLimits
from lorify.serving.engines.vllm import VllmLimits

LAST_WORDS_SECONDS = 2


class ServingSettings(BaseModel):
    """Limits of a server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineLimits = Field(default=EngineLimits(), description="The local engine.")
    vllm: VllmLimits = Field(default=VllmLimits(), description="A vLLM server that answers instead.")
    max_upload_bytes: int = Field(default=32 << 20, ge=1, description="Largest request body, documents included.")
    max_document_tokens: int = Field(default=200_000, ge=1, description="Longest document, in tokens of the base.")
    max_document_pages: int = Field(default=1000, ge=1, description="Longest PDF, in pages.")
    max_documents: int = Field(default=64, ge=1, description="Most documents of one adapter.")
    max_reading: int = Field(
        default=16,
        ge=1,
        description="Requests whose documents are being read or wait for it; further ones are refused.",
    )
    max_internalizing: int = Field(
        default=64, ge=1, description="Documents being internalized or waiting for it; likewise adapters being checked."
    )
    max_answers: int = Field(default=16, ge=1, description="Answers of one request: `n` times its prompts.")
    default_answer_tokens: int = Field(
        default=512, ge=1, description="Longest answer in a chat if the request does not say, in tokens."
    )
    parse_seconds: float = Field(default=30, gt=0, description="Most time to read an uploaded file.")
    parse_memory_bytes: int = Field(default=1 << 30, ge=1, description="Most memory to read an uploaded file.")
    max_disk_bytes: int = Field(default=50 << 30, ge=1, description="Size of all adapters on disk.")
    max_memory_bytes: int = Field(default=2 << 30, ge=0, description="Adapters kept in memory.")
    drain_seconds: float = Field(default=30, ge=0, description="Time to finish answers after SIGTERM.")

    @property
    def cut_seconds(self) -> int:
        """Time from SIGTERM to when connections are cut; by then clients have been told of what is unfinished."""
        return math.ceil(self.drain_seconds) + LAST_WORDS_SECONDS
