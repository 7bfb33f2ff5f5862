"""Cases: what a method is given at a time, a context with its questions; and suites, which make them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

from lorify.base.chat import Message
from lorify.base.model import BaseLM
from lorify.contexts.images import ImageSource, read_picture
from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example
from lorify.data.tasks.schema import Metric
from lorify.evaluation.specs import Spec
from lorify.facade import Lorify

CaseKind = Literal["documents", "tasks", "images"]
"""What a suite's cases are about; methods differ in which they can take in."""


@dataclass(frozen=True)
class TaskContext:
    """A task whose inputs are asked as questions, and what methods are told about it.

    Attributes:
        name: its name.
        family: its family.
        seed: what description, inputs and examples were drawn with.
        description: a description of it that no training saw.
        mismatched: a description of another task, of another family where there is one; None if there is no other task.
        noise: random letters in place of a description.
        examples: turns of a chat that show inputs with their answers.
    """

    name: str
    family: str
    seed: int
    description: str
    mismatched: str | None
    noise: str
    examples: tuple[Message, ...]


@dataclass(frozen=True)
class Case:
    """A context and the questions about it.

    Attributes:
        id: name of the case, one of its kind in the suite.
        documents: the context's documents.
        questions: questions with their acceptable answers.
        source: data set or generator.
        length_tokens: length of the documents in tokens of the base.
        condition: what sets the case apart inside its source, such as the number of other documents; may be empty.
        depth_bin: where the answer lies, for a needle.
        answers_are_the_bases: the right answers are what the bare base says.
        task: the task whose inputs the questions are; such a case has no documents.
        metric: how answers are scored.
        max_new_tokens: longest answer, where the case needs less than the suite.
        images: the context's images.
        choices: what may be said, and which answer it means; every answer is then taken for one of these.
    """

    id: str
    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    source: str
    length_tokens: int
    condition: str = ""
    depth_bin: int | None = None
    answers_are_the_bases: bool = False
    task: TaskContext | None = None
    metric: Metric = "f1"
    max_new_tokens: int | None = None
    images: tuple[ImageSource, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> CaseKind:
        """What the case is about."""
        if self.images:
            return "images"
        return "documents" if self.task is None else "tasks"

    @property
    def group(self) -> str:
        """What is right or wrong together, and drawn as a whole for intervals and tests: the case, or its task."""
        return self.id if self.task is None else self.task.name

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the images' digests; a case without images is written as before there were any."""
        record = asdict(replace(self, images=()))
        shown = {"images": [read_picture(image).digest for image in self.images], "choices": self.choices}
        return {**{name: value for name, value in record.items() if name not in shown}, **_filled(shown)}


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value}


class Suite(Spec):
    """A kind of suite and its options."""

    max_new_tokens: ClassVar[int] = 48
    kind: ClassVar[CaseKind] = "documents"

    def build(self, model: Lorify) -> list[Case]:
        """The cases; the same options give the same cases.

        Args:
            model: base (its tokenizer counts lengths) and hypernetwork.

        Raises:
            EvaluationError: if the data cannot be read or gives no question.
        """
        raise NotImplementedError


def make_case(
    base: BaseLM, name: str, example: Example, *, condition: str = "", answers_are_the_bases: bool = False
) -> Case:
    """The case of an example; its documents are measured."""
    length = sum(len(base.encode_text(document)) for document in example.documents)
    return Case(
        name,
        example.documents,
        example.questions,
        example.source,
        length,
        condition,
        answers_are_the_bases=answers_are_the_bases,
    )


def cases_from_examples(base: BaseLM, examples: Iterable[Example]) -> list[Case]:
    """One case for each example."""
    return [make_case(base, f"{example.source}-{i}", example) for i, example in enumerate(examples)]


def draw_cases(
    base: BaseLM, examples: Sequence[Example], num_documents: int, num_questions: int, seed: int
) -> list[Case]:
    """A sample of examples as cases, each with its first questions."""
    drawn = random.Random(seed).sample(examples, min(num_documents, len(examples)))
    return cases_from_examples(base, [Example(e.documents, e.questions[:num_questions], e.source) for e in drawn])


def fact_examples(
    num_documents: int, *, seed: int = 0, num_questions: int = 6, num_facts: int = 0, num_pages: int = 1
) -> list[Example]:
    """Generated documents about entities whose names training never uses.

    Args:
        num_documents: how many.
        seed: seed of the documents.
        num_questions: questions about each.
        num_facts: facts of each page; 0: as many as in training.
        num_pages: texts that each example has.
    """
    facts = (num_facts, num_facts) if num_facts else (6, 16)
    return [
        generate_fact_example(
            random.Random(f"{seed}/evaluation/{i}"),
            split="heldout",
            num_documents=num_pages,
            num_questions=num_questions,
            num_facts=facts,
        )
        for i in range(num_documents)
    ]
