"""Config of a run that trains an associative hypernetwork."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lorify.hypernets.associative.removed_keys import drop_reading_keys
from lorify.hypernets.training_config import Optimization, Section, TrainingConfig
from lorify.hypernets.training_data import ContextMix


class AssociativeSettings(Section):
    """Shape of the hypernetwork."""

    first_layer: int = Field(8, ge=0, description="First adapted block.")
    last_layer: int = Field(27, ge=0, description="Last adapted block.")
    module: str = Field("down_proj", description="Adapted linear layer of each block.")
    rank: int = Field(128, gt=0, description="Rank of the memory.")
    width: int = Field(192, gt=0, multiple_of=4, description="Hidden width of the key and value networks.")
    bias_rank: int = Field(16, ge=0, description="Rank of the static LoRA that learns the form of answers.")
    attention_rank: int = Field(0, ge=0, description="Rank of a static LoRA on attention layers; 0: none.")
    attention_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj"), min_length=1, description="Linear layers with that LoRA."
    )
    attention_first_layer: int = Field(1, ge=0, description="First block with that LoRA; the last one is last_layer.")
    chunk_tokens: int = Field(256, gt=1, description="Longest chunk of a document, in tokens.")

    @model_validator(mode="before")
    @classmethod
    def _drop_removed_keys(cls, document: Any) -> Any:
        return drop_reading_keys(document)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first_layer > self.last_layer:
            raise ValueError(f"first_layer {self.first_layer} is above last_layer {self.last_layer}; lower first_layer")
        if self.attention_rank >= self.rank + self.bias_rank:
            raise ValueError(
                f"attention_rank {self.attention_rank} is not below rank + bias_rank, {self.rank + self.bias_rank}; "
                "lower it"
            )
        return self


class AssociativeData(ContextMix):
    """Contexts of a step, and what is mixed into them."""

    everyday: int = Field(
        0,
        ge=0,
        description="Contexts per step with questions of all kinds that people ask, unanswerable ones too: generated, "
        "and with questions_path as often natural ones.",
    )
    texts: int = Field(
        0,
        ge=0,
        description="Passages of plain documents per step; the base with the passage in its prompt is the teacher.",
    )
    texts_path: Path | None = Field(None, description="JSON lines file of plain documents.")
    sentences_per_text: int = Field(2, gt=0, description="Sentences to complete for each passage of a plain document.")
    noise_max_copies: int = Field(
        600, ge=1, description="Maximum number of copies of noise text that are added to a needle context."
    )
    distractor_probability: float = Field(
        0.4, ge=0, le=1, description="Probability that other contexts are added to a row."
    )
    max_distractors: int = Field(4, ge=1, description="Maximum number of other contexts that are added to a row.")
    focus_probability: float = Field(
        0.0, ge=0, le=1, description="Probability that each question about a context gets an adapter focused on it."
    )
    general_probability: float = Field(0.5, ge=0, le=1, description="Probability of an unrelated prompt in a row.")
    general_answer_tokens: int = Field(
        32, gt=0, description="Maximum length of the base's answers to unrelated prompts, in tokens."
    )

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        passages = self.questions if self.questions_path else 0
        texts = self.texts if self.texts_path else 0
        if not (self.facts or self.niah or passages or texts or self.everyday):
            raise ValueError(
                "there is nothing to train on; set data.facts, data.niah or data.everyday above 0, or data.questions "
                "with data.questions_path, or data.texts with data.texts_path"
            )
        return self


class AssociativeOptimization(Optimization):
    """The optimizer, its schedule, and the weights of the losses."""

    first_token_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Share of an answer's loss that falls on its first token, which is the one to retrieve.",
    )
    retrieval_weight: float = Field(
        0.3, ge=0, description="Weight of the loss that points queries at the tokens of the answer in the document."
    )
    teacher_top_k: int = Field(16, gt=0, description="Number of teacher predictions for each token in the KL loss.")
    preservation_kl_weight: float = Field(
        1.0, ge=0, description="Weight of the KL that keeps answers to unrelated prompts unchanged."
    )


class AssociativeTrainingConfig(TrainingConfig):
    """A meta-training run of an associative hypernetwork."""

    base_is_called_evenly = False
    # A config is frozen, so a field may be narrower here than in what it extends; pyright does not know that.
    kind: Literal["associative"] = Field("associative", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: AssociativeSettings = AssociativeSettings()  # pyright: ignore[reportCallIssue]
    data: AssociativeData = AssociativeData()  # pyright: ignore[reportCallIssue]
    optimization: AssociativeOptimization = AssociativeOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
