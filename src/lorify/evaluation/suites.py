"""What is asked: suites of cases, each a context with its questions. A suite knows nothing of the methods."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lorify.base.model import BaseModel
from lorify.data.examples import Example, Question
from lorify.data.facts import generate_fact_example
from lorify.data.general import GENERAL_EVAL_PROMPTS
from lorify.data.niah import generate_niah_example
from lorify.data.questions import load_question_examples
from lorify.evaluation.specs import Spec, parse_spec
from lorify.facade import Lorify

BATCH_ROWS = 16


@dataclass(frozen=True)
class Case:
    """A context and the questions about it: what a method is given at a time.

    Attributes:
        id: name of the case, one of its kind in the suite.
        documents: the context's documents.
        questions: questions with their acceptable answers.
        source: data set or generator.
        length_tokens: length of the documents in tokens of the base.
        condition: what sets the case apart inside its source, such as the number of other documents; may be empty.
        depth_bin: where the answer lies, for a needle.
    """

    id: str
    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    source: str
    length_tokens: int
    condition: str = ""
    depth_bin: int | None = None


def fact_examples(num_documents: int, *, seed: int = 0, num_questions: int = 6) -> list[Example]:
    """Generated documents about entities whose names training never uses."""
    return [
        generate_fact_example(random.Random(f"{seed}/evaluation/{i}"), split="heldout", num_questions=num_questions)
        for i in range(num_documents)
    ]


def cases_from_examples(base: BaseModel, examples: Iterable[Example]) -> list[Case]:
    """One case for each example."""
    return [
        Case(f"{example.source}-{i}", example.documents, example.questions, example.source, _length(base, example))
        for i, example in enumerate(examples)
    ]


class Suite(Spec):
    """A kind of suite and its options."""

    max_new_tokens: ClassVar[int] = 48

    def build(self, model: Lorify) -> list[Case]:
        """The cases; the same options give the same cases.

        Args:
            model: base (its tokenizer counts lengths) and hypernetwork.

        Raises:
            EvaluationError: if the data cannot be read or gives no question.
        """
        raise NotImplementedError


class FactsSuite(Suite):
    """Generated documents of facts about names that training never uses."""

    name = "facts"
    documents: int = Field(34, ge=1, description="Number of documents.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        examples = fact_examples(self.documents, seed=self.seed, num_questions=self.questions)
        return cases_from_examples(model.base, examples)


class NiahSuite(Suite):
    """Needle in a haystack: a number in noise, by length and depth."""

    name = "niah"
    max_new_tokens = 12
    lengths: tuple[int, ...] = Field((512, 2048, 8192), min_length=1, description="Lengths in tokens.")
    bins: int = Field(10, ge=1, description="Depth bins.")
    samples: int = Field(1, ge=1, description="Haystacks for each length and depth.")
    seed: int = Field(0, description="Seed of numbers and places.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        cases = []
        for length in self.lengths:
            for depth_bin in range(self.bins):
                rng = random.Random(f"{self.seed}/{length}/{depth_bin}")
                for sample in range(self.samples):
                    example = generate_niah_example(
                        rng,
                        length_tokens=length,
                        count_tokens=lambda text: len(model.base.encode_text(text)),
                        depth_bin=depth_bin,
                        num_bins=self.bins,
                    )
                    name = f"niah-{length}-{depth_bin}-{sample}"
                    cases.append(Case(name, example.documents, example.questions, "niah", length, depth_bin=depth_bin))
        return cases


class QuestionsSuite(Suite):
    """Reading comprehension from JSON lines of context, question and answers."""

    name = "questions"
    path: Path = Field(description="A .jsonl file, or a folder of them.")
    documents: int = Field(50, ge=1, description="Number of passages to draw.")
    questions: int = Field(4, ge=1, description="At most this many questions about each.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        return draw_cases(model.base, load_question_examples(self.path), self.documents, self.questions, self.seed)


def draw_cases(
    base: BaseModel, examples: Sequence[Example], num_documents: int, num_questions: int, seed: int
) -> list[Case]:
    """A sample of examples as cases, each with its first questions."""
    drawn = random.Random(seed).sample(examples, min(num_documents, len(examples)))
    return cases_from_examples(base, [Example(e.documents, e.questions[:num_questions], e.source) for e in drawn])


class InterferenceSuite(Suite):
    """The questions of `facts` with other documents internalized besides."""

    name = "interference"
    documents: int = Field(12, ge=1, description="Number of documents that are asked about.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    others: tuple[int, ...] = Field((0, 1, 3, 7), min_length=1, description="Numbers of other documents.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        asked = fact_examples(self.documents, seed=self.seed, num_questions=self.questions)
        cases = []
        for i, example in enumerate(asked):
            rng = random.Random(f"{self.seed}/interference/{i}")
            pool = [generate_fact_example(rng, split="heldout").documents[0] for _ in range(max(self.others))]
            for num_others in self.others:
                documents = list(pool[:num_others])
                documents.insert(rng.randint(0, num_others), example.documents[0])
                together = Example(tuple(documents), example.questions, "interference")
                name, condition = f"interference-{i}-{num_others}", f"{num_others} others"
                length = _length(model.base, together)
                cases.append(Case(name, together.documents, together.questions, "interference", length, condition))
        return cases


class AgreementSuite(Suite):
    """Prompts that have nothing to do with the document; the bare base's answers are the right ones."""

    name = "agreement"
    max_new_tokens = 64
    documents: int = Field(20, ge=1, description="Number of documents, which take turns.")
    prompts: int = Field(200, ge=1, le=len(GENERAL_EVAL_PROMPTS), description="Number of prompts.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases; the base is asked for its answers."""
        prompts = GENERAL_EVAL_PROMPTS[: self.prompts]
        questions = []
        for start in range(0, len(prompts), BATCH_ROWS):
            batch = prompts[start : start + BATCH_ROWS]
            answers = model.ask_batch(batch, [None] * len(batch), max_new_tokens=self.max_new_tokens)
            questions += [Question(*pair) for pair in zip(batch, [(a,) for a in answers], strict=True)]
        examples = fact_examples(min(self.documents, self.prompts), seed=self.seed)
        return cases_from_examples(
            model.base,
            [Example(e.documents, tuple(questions[i :: len(examples)]), "agreement") for i, e in enumerate(examples)],
        )


SUITES: dict[str, type[Suite]] = {
    kind.name: kind for kind in (FactsSuite, NiahSuite, QuestionsSuite, InterferenceSuite, AgreementSuite)
}


def parse_suite(text: str) -> Suite:
    """Read a suite from `NAME[:option=value...]`, or from the path of a JSON lines file or folder.

    Raises:
        EvaluationError: if it is neither, or an option is wrong.
    """
    if text.partition(":")[0] not in SUITES and Path(text).exists():
        return QuestionsSuite(path=Path(text))  # pyright: ignore[reportCallIssue]
    return parse_spec(text, SUITES, "suite")


def _length(base: BaseModel, example: Example) -> int:
    return sum(len(base.encode_text(document)) for document in example.documents)
