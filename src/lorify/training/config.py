"""Everything that decides a meta-training run, in one typed file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lorify.base.files import DEFAULT_BASE


class Section(BaseModel):
    """A part of a config: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HypernetworkShape(Section):
    """Shape of the associative hypernetwork."""

    first_layer: int = Field(8, ge=0, description="First adapted block.")
    last_layer: int = Field(27, ge=0, description="Last adapted block.")
    module: str = Field("down_proj", description="Adapted linear layer of each block.")
    rank: int = Field(128, gt=0, description="Rank of the memory.")
    width: int = Field(192, gt=0, multiple_of=4, description="Hidden width of the key and value networks.")
    bias_rank: int = Field(16, ge=0, description="Rank of the static part that shapes answers.")
    reading_first_layer: int = Field(2, ge=0, description="First block with a reading part.")
    reading_last_layer: int = Field(27, ge=0, description="Last block with a reading part.")
    reading_modules: tuple[str, ...] = Field(
        (), description="Linear layers with a static reading part, such as q_proj and v_proj; none by default."
    )
    reading_rank: int = Field(16, gt=0, description="Rank of the reading part.")
    chunk_tokens: int = Field(256, gt=1, description="Longest chunk of a document, in tokens.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first_layer > self.last_layer:
            raise ValueError(f"first_layer {self.first_layer} is above last_layer {self.last_layer}")
        if self.reading_first_layer > self.reading_last_layer:
            raise ValueError(
                f"reading_first_layer {self.reading_first_layer} is above reading_last_layer {self.reading_last_layer}"
            )
        return self


class ContextMix(Section):
    """Which contexts a step is made of, and how many questions of each it asks."""

    facts: int = Field(4, ge=0, description="Generated fact documents a step.")
    questions: int = Field(2, ge=0, description="Natural passages with questions a step.")
    niah: int = Field(2, ge=0, description="Needle-in-a-haystack contexts a step.")
    questions_path: Path | None = Field(None, description="JSON lines file or folder of natural passages.")
    questions_per_context: int = Field(6, gt=0, description="At most this many questions a context.")
    max_context_chars: int = Field(1800, gt=0, description="Longer natural passages are left out, in characters.")
    max_answer_chars: int = Field(80, gt=0, description="Longer natural answers are left out, in characters.")
    niah_min_tokens: int = Field(36, gt=0, description="Shortest needle context, in tokens.")
    niah_max_tokens: int = Field(256, gt=0, description="Longest needle context, in tokens.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.niah_min_tokens > self.niah_max_tokens:
            raise ValueError(f"niah_min_tokens {self.niah_min_tokens} is above niah_max_tokens {self.niah_max_tokens}")
        return self


class DataMix(ContextMix):
    """What a training step is made of: how many contexts of each kind, and what is mixed into them."""

    texts: int = Field(0, ge=0, description="Passages of plain documents a step, learned from the teacher.")
    texts_path: Path | None = Field(None, description="JSON lines file of plain documents.")
    sentences_per_text: int = Field(2, gt=0, description="Sentences to complete a passage of a plain document.")
    noise_max_copies: int = Field(600, ge=1, description="Noise statistics are added up to this many times.")
    distractor_probability: float = Field(0.4, ge=0, le=1, description="Chance that other contexts are added.")
    max_distractors: int = Field(4, ge=1, description="At most this many other contexts are added.")
    focus_probability: float = Field(
        0.0, ge=0, le=1, description="Chance that each question about a context gets an adapter focused on it."
    )
    general_probability: float = Field(0.5, ge=0, le=1, description="Chance of an unrelated prompt a context.")
    general_answer_tokens: int = Field(32, gt=0, description="Length of the base's own answer to keep, in tokens.")

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        passages = self.questions if self.questions_path else 0
        texts = self.texts if self.texts_path else 0
        if not (self.facts or self.niah or passages or texts):
            raise ValueError(
                "there is nothing to train on; set data.facts or data.niah above 0, or data.questions with "
                "data.questions_path, or data.texts with data.texts_path"
            )
        return self


class Schedule(Section):
    """The optimizer and its schedule, whatever is trained."""

    steps: int = Field(600, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(50, ge=0, description="Steps of linear warm-up.")
    final_learning_rate_ratio: float = Field(0.05, ge=0, le=1, description="End of the cosine, relative to the peak.")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first decay.")
    beta2: float = Field(0.98, ge=0, lt=1, description="AdamW's second decay.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    accumulation: int = Field(1, gt=0, description="Batches an optimizer step.")
    bf16: bool = Field(True, description="Compute in bfloat16 (weights of the hypernetwork stay float32).")


class Optimization(Schedule):
    """The optimizer and its schedule."""

    first_token_share: float = Field(
        0.3, gt=0, le=1, description="Share of an answer's loss on its first token, from which retrieval is learned."
    )
    retrieval_weight: float = Field(
        0.3, ge=0, description="Weight of the loss that points queries at the place of the answer in the document."
    )
    teacher_top_k: int = Field(16, gt=0, description="Teacher predictions a token in the KL loss.")
    keep_weight: float = Field(1.0, ge=0, description="Weight of the KL that keeps unrelated answers as they were.")


class RunConfig(Section):
    """What every run has, whatever it trains; the loop reads this and nothing else.

    Attributes:
        base_is_called_evenly: whether every batch calls the base equally often, which a sharded base needs.
    """

    base_is_called_evenly: ClassVar[bool] = True
    kind: str = Field(description="What is trained, one of `lorify.training.registry.KINDS`.")
    base: str = Field(DEFAULT_BASE, description="Base model: default name, hub id, folder or GGUF file.")
    start_from: Path | None = Field(
        None, description="Hypernetwork folder to start from; parts it lacks begin with random weights."
    )
    optimization: Schedule = Schedule()  # pyright: ignore[reportCallIssue]
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the initial weights and of the data.")
    evaluate_every: int = Field(50, gt=0, description="Steps between evaluations on held-out contexts.")
    evaluation_batches: int = Field(4, gt=0, description="Held-out batches an evaluation.")
    checkpoint_every: int = Field(25, gt=0, description="Steps between checkpoints.")
    sharded: bool = Field(
        False, description="Each process keeps a part of what is trained and of its optimizer state, instead of all."
    )
    sharded_base: bool = Field(
        False, description="Each process keeps a part of the base's blocks, and gathers a block when it runs."
    )

    @model_validator(mode="after")
    def _can_shard_base(self) -> Self:
        if self.sharded_base and not self.base_is_called_evenly:
            raise ValueError(
                f"the base cannot be sharded in a run of kind {self.kind}, where how often it runs depends on the "
                "batch; set sharded_base to false"
            )
        return self


class TrainingConfig(RunConfig):
    """A meta-training run of the associative hypernetwork."""

    base_is_called_evenly = False
    # A config is frozen, so a field may be narrower here than in what it extends; pyright does not know that.
    kind: Literal["associative"] = Field("associative", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: HypernetworkShape = HypernetworkShape()  # pyright: ignore[reportCallIssue]
    data: DataMix = DataMix()  # pyright: ignore[reportCallIssue]
    optimization: Optimization = Optimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]


def describe_problems(error: ValidationError) -> str:
    """All problems of a config in one line."""
    problems = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "file"
        if item["type"] == "extra_forbidden":
            what = "unknown key"
        elif item["type"] == "value_error":  # one of our own, which says all
            what = str(item.get("ctx", {}).get("error", item["msg"]))
        else:
            what = item["msg"].lower()
            what += "" if item["type"] in ("missing", "json_invalid") else f", got {item['input']!r}"
        problems.append(f"{where}: {what}")
    return "; ".join(problems) + " (see `lorify train --defaults` for all keys)"
