"""Config of an extractor."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lorify.contexts.descriptions.encoder_files import DEFAULT_EMBEDDER


class ExtractorConfig(BaseModel):
    """What an extractor is built from, besides its own weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(DEFAULT_EMBEDDER, description="Pretrained encoder: default name, folder or hub id.")
    encoder_digest: str = Field("", description="SHA-256 of the encoder's weights; empty before training.")
    rank: int = Field(32, gt=0, description="Rank of the LoRA on each linear layer of the encoder.")
    max_tokens: int = Field(
        448, ge=64, description="Longest input: question and text together, in tokens of the encoder."
    )
    max_question_tokens: int = Field(64, gt=0, description="The end of a longer question is read.")

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.max_tokens < 2 * self.max_question_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} leaves too little for the text; expected at least twice "
                f"max_question_tokens {self.max_question_tokens}"
            )
        return self
