"""The ten benchmarks as Text-to-LoRA asks them: by greedy generation, in its chats and with its prompts.

Source: Text-to-LoRA (arXiv 2506.06105), section 4, and github.com/SakanaAI/text-to-lora (`vllm_eval.py`). There the
prompts of the evaluation begin with two beginning-of-text tokens, here with one, as in training.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

from pydantic import Field

from lorify.base.chat.published_chats import find_published_template
from lorify.base.model import BaseLM
from lorify.data.benchmarks.items import BenchmarkItem, read_items
from lorify.data.benchmarks.published import PublishedBenchmark, published_benchmarks, random_descriptions
from lorify.data.examples import Question
from lorify.data.tasks.published.authors_descriptions import read_descriptions
from lorify.data.tasks.published.prompts import BENCHMARKS_SOURCE
from lorify.errors import EvaluationError
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, ExampleText, PromptForm, TaskContext
from lorify.facade import Lorify

VALIDATION_ITEMS = 500


class BenchmarksSuite(Suite):
    """The ten benchmarks with the prompts, examples and descriptions of Text-to-LoRA."""

    name = "benchmarks"
    kind = "tasks"
    default_methods = "none,description,three_shot,adapter,mismatched,random"
    max_new_tokens = 512
    names: tuple[str, ...] = Field((), description="Benchmarks; by default all that have the split.")
    path: Path | None = Field(None, description="Folder of local copies, NAME.jsonl or NAME.json; by default the hub.")
    items: int | None = Field(None, ge=1, description="Number of items of each, the first ones; by default all.")
    split: Literal["test", "validation"] = Field(
        "test", description="validation: 500 items of seven benchmarks, which choose the best checkpoint."
    )
    descriptions: int = Field(3, ge=1, le=3, description="Number of descriptions of each benchmark.")
    training_descriptions: Path | None = Field(
        None, description="The authors' folder `tasks`: the method mismatched draws from its descriptions."
    )
    run_programs: bool = Field(False, description="Execute programs written by the model (humaneval, mbpp).")

    def build(self, model: Lorify) -> list[Case]:
        """Read the items; one case for each benchmark and description."""
        chosen = self._chosen()
        others = (
            [] if self.training_descriptions is None else list(read_descriptions(self.training_descriptions).values())
        )
        others = others or [benchmark.descriptions for benchmark in published_benchmarks().values()]
        cases = []
        for name, benchmark in chosen.items():
            limit = self.items if self.split == "test" else min(self.items or VALIDATION_ITEMS, VALIDATION_ITEMS)
            source = (benchmark.hub_id, benchmark.hub_name, self._split_of(benchmark))
            items = read_items(name, folder=self.path, source=source, limit=limit)
            foreign = [texts for texts in others if not set(texts) & set(benchmark.descriptions)]
            for seed in range(self.descriptions):
                cases.append(_case(model.base, name, benchmark, items, foreign, seed))
        return cases

    def _chosen(self) -> dict[str, PublishedBenchmark]:
        known = published_benchmarks()
        has_split = [name for name, benchmark in known.items() if self.split == "test" or benchmark.validation_split]
        for name in self.names:
            if name not in has_split:
                raise EvaluationError(
                    f"there is no benchmark {name!r} with a split {self.split}; choose from {', '.join(has_split)}"
                )
        names = self.names or has_split
        programs = [name for name in names if known[name].metric == "program"]
        if programs and not self.run_programs:
            raise EvaluationError(
                f"benchmark {programs[0]} executes programs written by the model, on this machine and with your "
                "permissions; give run_programs=true if that is safe, or name the other benchmarks with names="
            )
        return {name: known[name] for name in names}

    def _split_of(self, benchmark: PublishedBenchmark) -> str:
        return benchmark.test_split if self.split == "test" else str(benchmark.validation_split)


def _case(
    base: BaseLM,
    name: str,
    benchmark: PublishedBenchmark,
    items: list[BenchmarkItem],
    foreign: list[tuple[str, ...]],
    seed: int,
) -> Case:
    rng = random.Random(f"{seed}/{name}/description")
    description = benchmark.descriptions[seed]
    context = TaskContext(
        name=name,
        family=name,
        seed=seed,
        description=description,
        mismatched=rng.choice(rng.choice(foreign)),
        noise=random_descriptions()[seed],
        examples=(),
        example_text=ExampleText(benchmark.examples, benchmark.example_prefix()),
        shown_description=description if benchmark.description_in_prompt else "",
    )
    form = PromptForm(
        find_published_template(base.tokenizer), tuple(item.fill(benchmark.answer_prefix) for item in items)
    )
    return Case(
        id=f"{name}/{seed}",
        documents=(),
        questions=tuple(Question(item.fill(benchmark.prompt), (item.tests or item.answer,)) for item in items),
        source=BENCHMARKS_SOURCE,
        length_tokens=0,
        task=context,
        metric=benchmark.metric,
        form=form,
    )
