"""Suites of reading comprehension: passages with questions from files or public data sets."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.sources.public import QUESTION_DATASETS, load_benchmark_examples, load_public_examples
from lorify.data.sources.questions import load_question_examples
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, draw_cases
from lorify.facade import Lorify


class QuestionsSuite(Suite):
    """Reading comprehension from JSON Lines of context, question and answers, or from a benchmark's .json file."""

    name = "questions"
    path: Path = Field(description="A .jsonl file, a folder of them, or a benchmark's .json file with passages.")
    documents: int = Field(50, ge=1, description="Number of passages to draw.")
    questions: int = Field(4, ge=1, description="Maximum number of questions about each passage.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the file and draw passages."""
        load = load_benchmark_examples if self.path.suffix == ".json" else load_question_examples
        return draw_cases(model.base, load(self.path), self.documents, self.questions, self.seed)


class PublicSuite(Suite):
    """A public data set, from the Hugging Face hub or a local copy."""

    name = "public"
    dataset: str = Field("squad", description=f"One of {', '.join(QUESTION_DATASETS)}.")
    path: Path | None = Field(None, description="Local copy: JSON Lines with the fields of the data set.")
    documents: int = Field(50, ge=1, description="Number of passages to draw.")
    questions: int = Field(4, ge=1, description="Maximum number of questions about each passage.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Load the data set and draw passages."""
        examples = load_public_examples(self.dataset, self.path)
        return draw_cases(model.base, examples, self.documents, self.questions, self.seed)
