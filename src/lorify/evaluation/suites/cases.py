"""Cases: a context and the questions about it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from lorify.base.chat.prompts import Message
from lorify.base.model import BaseLM
from lorify.contexts.images import ImageSource, read_image
from lorify.data.examples import Example, Question
from lorify.data.tasks.schema import Metric

_log = logging.getLogger(__name__)

CaseKind = Literal["documents", "tasks", "images", "document_tasks"]
"""Kinds of contexts. A method handles some of them."""


@dataclass(frozen=True)
class ExampleText:
    """Examples as one text before the question.

    Attributes:
        text: the text; empty where none are shown.
        answer_prefix: beginning of the answer, which the base continues.
    """

    text: str
    answer_prefix: str


@dataclass(frozen=True)
class PromptForm:
    """The form of a case's prompts, where it is not the base's.

    Attributes:
        chat_template: chat template in place of the base's; None: the base's.
        answer_prefixes: beginning of each question's answer, which the base continues.
    """

    chat_template: str | None
    answer_prefixes: tuple[str, ...]


@dataclass(frozen=True)
class TaskContext:
    """A task whose inputs are the questions, with everything that a method may use to describe it.

    Attributes:
        name: name of the task.
        family: family of the task.
        seed: seed that description, inputs and examples were drawn with.
        description: a description of the task that was not used in training.
        mismatched: a description of another task, from another family if possible; None if there is no other task.
        noise: random characters in place of a description.
        examples: chat turns that show inputs with their answers.
        example_text: text that shows examples in place of these turns; None: the turns do.
        shown_description: text that shows the description in the prompt; None: the description itself.
    """

    name: str
    family: str
    seed: int
    description: str
    mismatched: str | None
    noise: str
    examples: tuple[Message, ...]
    example_text: ExampleText | None = None
    shown_description: str | None = None


@dataclass(frozen=True)
class Case:
    """A context and the questions about it.

    Attributes:
        id: name of the case, unique within its suite.
        documents: documents of the context.
        questions: questions with their acceptable answers.
        source: data set or generator.
        length_tokens: total length of the documents in tokens of the base model.
        condition: experimental condition within the source, such as the number of distractor documents; may be empty.
        depth_bin: bin of the needle's depth, for needle-in-a-haystack cases.
        answers_are_the_bases: whether the reference answers are those of the bare base model.
        task: the task whose inputs are the questions. Such a case has no documents, except for kind `document_tasks`,
            where the task is to be done on the answers.
        metric: how answers are scored.
        max_new_tokens: maximum answer length in tokens, if the case needs less than the suite.
        images: images of the context.
        choices: (text to look for, choice that it means); every answer counts as one of the choices.
        form: form of the prompts, with an empty system turn; None: that of the base.
        reference: condition with the same questions in another form, which scores are relative to; may be empty.
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
    form: PromptForm | None = None
    reference: str = ""

    @property
    def group(self) -> str:
        """The unit that intervals and tests resample as a whole: the task if there is one, else the case."""
        return self.id if self.task is None else self.task.name

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values, with digests in place of images.

        Fields that came later, also of questions and tasks, are left out when empty, so that cases without them keep
        the digest they had before these fields existed.
        """
        record = asdict(replace(self, images=()))
        record["questions"] = [
            {name: value for name, value in question.items() if value or name in ("text", "answers")}
            for question in record["questions"]
        ]
        optional = {
            "images": [read_image(image).digest for image in self.images],
            "choices": self.choices,
            "form": record["form"],
            "reference": self.reference,
        }
        if self.task is not None:
            later = ("example_text", "shown_description")
            record["task"] = {key: v for key, v in record["task"].items() if key not in later or v is not None}
        required = {name: value for name, value in record.items() if name not in optional}
        return required | {name: value for name, value in optional.items() if value}


def make_case(
    base: BaseLM,
    name: str,
    example: Example,
    *,
    condition: str = "",
    answers_are_the_bases: bool = False,
    reference: str = "",
) -> Case:
    """Make a case of an example, counting the tokens of its documents."""
    length = sum(len(base.encode_text(document)) for document in example.documents)
    return Case(
        name,
        example.documents,
        example.questions,
        example.source,
        length,
        condition,
        answers_are_the_bases=answers_are_the_bases,
        reference=reference,
    )


def cases_from_examples(base: BaseLM, examples: Iterable[Example]) -> list[Case]:
    """Make one case of each example."""
    return [make_case(base, f"{example.source}-{i}", example) for i, example in enumerate(examples)]


def draw_cases(
    base: BaseLM, examples: Sequence[Example], num_documents: int, num_questions: int, seed: int
) -> list[Case]:
    """Make cases of randomly drawn examples, each with at most `num_questions` of its questions (the first ones)."""
    drawn = random.Random(seed).sample(examples, min(num_documents, len(examples)))
    num_asked = sum(min(len(example.questions), num_questions) for example in drawn)
    num_questions_given = sum(len(example.questions) for example in examples)
    if num_asked < num_questions_given:
        _log.warning(
            "drew %d of %d passages, %d of %d questions; the options documents and questions of the suite set how many",
            len(drawn), len(examples), num_asked, num_questions_given,
        )  # fmt: skip
    return cases_from_examples(base, [Example(e.documents, e.questions[:num_questions], e.source) for e in drawn])
