"""Config of runs that train a Perceiver hypernetwork (Doc-to-LoRA), with the published values as defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lorify.contexts.encoders.encoding import EncoderKind
from lorify.contexts.encoders.patches import PatchGrid
from lorify.data.sources.images import DEFAULT_QUESTION
from lorify.hypernets.training_config import Optimization, Section, TrainingConfig

PUBLISHED_CHUNK_PROBABILITIES = (0.5, 0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625)


class PerceiverSettings(Section):
    """The Perceiver hypernetwork and its context encoder."""

    encoder: EncoderKind = Field("per_layer_activations", description="Features that the Perceiver reads.")
    encoder_model: str | None = Field(
        None, description="Context encoder: hub id or folder of a language or vision-language model; null: the base."
    )
    encoder_layers: int | None = Field(
        None,
        ge=0,
        description="Encoder blocks that are run or read; null: a quarter (early_exit), or one for each adapted block.",
    )
    quantized_encoder: bool = Field(False, description="Load the context encoder in 4 bits (bitsandbytes, on CUDA).")
    patches: PatchGrid = PatchGrid()
    modules: tuple[str, ...] = Field(("down_proj",), min_length=1, description="Adapted linear layers of each block.")
    first_layer: int = Field(0, ge=0, description="First adapted block.")
    last_layer: int | None = Field(None, ge=0, description="Last adapted block; null: the base's last.")
    rank: int = Field(8, gt=0, description="Rank of each chunk's adapter.")
    latent_size: int = Field(512, gt=0, description="Width of the Perceiver.")
    num_latents: int = Field(8, gt=0, description="Latents that read the features.")
    num_blocks: int = Field(8, gt=0, description="Cross-attention blocks before the decoder.")
    self_attentions: int = Field(0, ge=0, description="Self-attention blocks after each cross-attention block.")
    shared_weights: bool = Field(False, description="Share weights between the blocks after the first.")
    num_heads: int = Field(16, gt=0, description="Query heads.")
    num_kv_heads: int = Field(4, gt=0, description="Key and value heads.")
    head_size: int = Field(128, gt=0, description="Width of a head.")
    system_turn: bool = Field(False, description="Begin chats and contexts with an empty system turn, as published.")
    chunk_tokens: int | None = Field(
        512, gt=1, description="Longest chunk, in tokens; null: the encoder's window, as in the first published stage."
    )


class PerceiverData(Section):
    """Training data of a Perceiver run: shares of its sources, relative to each other, and the size of batches."""

    niah: float = Field(1.0, ge=0, description="Share of needle-in-a-haystack contexts.")
    facts: float = Field(0.0, ge=0, description="Share of generated fact documents.")
    questions: float = Field(0.0, ge=0, description="Share of natural passages with questions.")
    questions_path: Path | None = Field(None, description="JSON lines file or folder of natural passages.")
    self_generated: float = Field(0.0, ge=0, description="Share of contexts with the base's own answers.")
    self_generated_path: Path | None = Field(
        None, description="Folder of parquet shards: of `lorify generate-data`, or the published data of Doc-to-LoRA."
    )
    self_generated_files: tuple[str, ...] = Field(
        (),
        description="Patterns of the shards to use, such as `*/squad_compact/**/*.parquet`; none: all in the folder.",
    )
    digits: float = Field(0.0, ge=0, description="Share of scikit-learn's handwritten digits.")
    images: float = Field(0.0, ge=0, description="Share of images with questions.")
    images_path: Path | None = Field(None, description="Folder of class folders, or JSON lines with a key image.")
    images_question: str = Field(DEFAULT_QUESTION, min_length=1, description="Question about images in class folders.")
    niah_min_tokens: int = Field(32, gt=0, description="Shortest needle context, in tokens.")
    niah_max_tokens: int = Field(256, gt=0, description="Longest needle context, in tokens.")
    max_context_chars: int = Field(8000, gt=0, description="Maximum length of natural passages, in characters.")
    max_answer_chars: int = Field(200, gt=0, description="Maximum length of natural answers, in characters.")
    questions_per_context: int = Field(1, gt=0, description="Maximum number of questions per context.")
    max_question_tokens: int | None = Field(
        None, gt=0, description="Maximum number of tokens of a context's questions with their answers; null: no limit."
    )
    sampling: Literal["contexts", "questions"] = Field(
        "contexts",
        description="Draw contexts with equal probability, or in proportion to their questions and at least 1% from "
        "each set, as published.",
    )
    carry_over: bool = Field(
        False,
        description="Begin a batch with the context that did not fit the one before, as published, instead of dropping "
        "it, which makes long contexts rarer.",
    )
    batch_context_tokens: int = Field(4096, gt=0, description="Maximum number of context tokens in a batch.")
    batch_question_tokens: int = Field(
        4096, gt=0, description="Maximum number of question and answer tokens in a batch."
    )
    batch_contexts: int | None = Field(None, gt=0, description="Maximum number of contexts in a batch; null: no limit.")
    chunk_probabilities: tuple[float, ...] = Field(
        (1.0,),
        min_length=1,
        description="Probability of 1, 2, 3 ... chunks per context; infeasible numbers are skipped.",
    )
    min_chunk_tokens: int = Field(25, gt=0, description="Shortest chunk, in tokens.")

    @model_validator(mode="after")
    def _has_something(self) -> PerceiverData:
        if not self.has_texts and not self.has_images:
            raise ValueError("all shares are 0; give at least one kind of context a share")
        if self.questions and self.questions_path is None:
            raise ValueError(
                "questions has a share, but questions_path is null; set questions_path to a JSON lines file"
            )
        if self.self_generated and self.self_generated_path is None:
            raise ValueError(
                "self_generated has a share, but self_generated_path is null; set it to a folder of shards"
            )
        if self.images and self.images_path is None:
            raise ValueError(
                "images has a share, but images_path is null; set images_path to a folder or a JSON lines file"
            )
        if min(self.chunk_probabilities) < 0 or not sum(self.chunk_probabilities):
            raise ValueError(
                "chunk_probabilities has a negative number, or only zeros; give numbers from 0, at least one above 0"
            )
        return self

    @property
    def has_texts(self) -> bool:
        """Whether some contexts are texts."""
        return bool(self.niah + self.facts + self.questions + self.self_generated)

    @property
    def has_images(self) -> bool:
        """Whether some contexts are images."""
        return bool(self.digits + self.images)


class PerceiverOptimization(Optimization):
    """The optimizer, its schedule and the loss."""

    steps: int = Field(80_000, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(4e-5, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(100, ge=0, description="Steps of linear warm-up.")
    final_learning_rate_ratio: float = Field(
        0.0025, ge=0, le=1, description="Learning rate at the end of the cosine, relative to the peak."
    )
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay rate of AdamW's second moment.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay.")
    loss: Literal["cross_entropy", "kl"] = Field(
        "kl", description="Cross-entropy on answers, or KL to the base with the context in its prompt."
    )
    average_over: Literal["contexts", "tokens"] = Field(
        "contexts", description="tokens: long answers weigh more; contexts: all contexts weigh the same."
    )
    neftune_alpha: float = Field(
        0.0, ge=0, description="Noise on the embeddings of the questions (NEFTune), as published 5; 0: none."
    )
    teacher_top_k: int = Field(16, gt=0, description="Teacher predictions a token in the KL loss.")
    l1_weight: float = Field(0.1, ge=0, description="Weight of the mean absolute value of the generated weights.")


class PerceiverTrainingConfig(TrainingConfig):
    """A meta-training run of a Perceiver hypernetwork."""

    # Configs are frozen, so a field may have a narrower type than in the base class, which pyright does not know.
    kind: Literal["perceiver"] = Field("perceiver", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: PerceiverSettings = PerceiverSettings()  # pyright: ignore[reportCallIssue]
    data: PerceiverData = PerceiverData()  # pyright: ignore[reportCallIssue]
    optimization: PerceiverOptimization = PerceiverOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
    evaluation_answer_tokens: int = Field(
        0, ge=0, description="Longest answer that is generated to held-out questions, for their F1; 0: none is."
    )
    num_processes: int = Field(1, gt=0, description="Processes of the run, for --dry-run only.")

    @model_validator(mode="after")
    def _can_see(self) -> Self:
        if self.data.has_images and self.optimization.loss == "kl":
            raise ValueError(
                "a base that reads text only cannot be the teacher for images; set optimization.loss to cross_entropy"
            )
        if self.data.has_texts and self.hypernetwork.encoder == "patches":
            raise ValueError("patches are of images only; set the shares of niah, facts and other texts to 0")
        return self
