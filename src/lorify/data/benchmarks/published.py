"""How Text-to-LoRA evaluates each benchmark: prompts, prefixes of answers, three examples, three descriptions.

Source: github.com/SakanaAI/text-to-lora, `vllm_eval.py`, `utils/eval_prompts.py`, `tasks/*/metadata.yaml` and
`configs/hyper_lora_decontam_lol_tasks.yaml`. On GSM8K it shows neither examples nor a description.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from lorify.data.tasks.schema import Metric

EXAMPLES_ANSWER_PREFIX = "Answer:"
"""Beginning of answers after examples, unless the benchmark has its own prefix."""


class PublishedBenchmark(BaseModel):
    """A benchmark as Text-to-LoRA uses it; prompts contain fields of `BenchmarkItem`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub_id: str = Field(description="Data set on the hub.")
    hub_name: str | None = Field(description="Its configuration; null: the only one.")
    test_split: str = Field(description="Split of the test.")
    validation_split: str | None = Field(description="Split that chooses the best checkpoint; null: it has no part.")
    metric: Metric = Field(description="How answers are scored.")
    prompt: str = Field(description="Prompt of the test.")
    training_prompt: str = Field(description="Prompt on which a LoRA for the benchmark is trained.")
    training_source: tuple[str, str | None, str] | None = Field(
        description="Data set, configuration and split for that LoRA; null: it has none."
    )
    answer_prefix: str = Field(description="Beginning of the answer, which the base continues.")
    answer_prefix_in_training: str = Field(description="Beginning of the answer in training.")
    answer_suffix_in_training: str = Field(description="End of the answer in training.")
    examples: str = Field(description="Three examples to show before a question; empty: none are shown.")
    description_in_prompt: bool = Field(description="Whether the prompt can show a description.")
    descriptions: tuple[str, ...] = Field(description="Descriptions that the adapters are generated from.")

    def example_prefix(self) -> str:
        """Return the beginning of an answer after examples."""
        return self.answer_prefix or (EXAMPLES_ANSWER_PREFIX if self.examples else "")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    random_descriptions: tuple[str, ...]
    benchmarks: dict[str, PublishedBenchmark]


@cache
def _table() -> _Table:
    text = files("lorify.data.benchmarks").joinpath("published.json").read_text(encoding="utf-8")
    return _Table.model_validate(json.loads(text))


def published_benchmarks() -> dict[str, PublishedBenchmark]:
    """Return the ten benchmarks, by name."""
    return _table().benchmarks


def random_descriptions() -> tuple[str, ...]:
    """Return the three texts with which Text-to-LoRA measures the effect of a random description."""
    return _table().random_descriptions
