"""Questions and texts in the batches of extractor training."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from lorify.data.answers import YES_OR_NO, closest_words, normalize_answer
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.names import Split
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.follow_ups.passages import with_chats
from lorify.data.follow_ups.prompt import question_in_chat
from lorify.data.follow_ups.published import load_answered_chats
from lorify.data.sources.splits import split_by_passage
from lorify.data.written.documents import written_documents
from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.pooled_order import PooledOrder
from lorify.training.unanswerable import with_deleted_answers, with_swapped_questions

NUM_HELDOUT_GENERATED = 40
"""Maximum number of held-out documents of each generated kind."""
UNANSWERABLE = "unanswerable"
"""Kind of all questions without an answer, whatever their text."""
CHATS = "chats"
"""Kind of questions that follow other questions about their text."""
PUBLISHED_CHATS = "published_chats"
"""Kind of questions from real chats; any part of the passage that answers one is right."""
WRITTEN, WRITTEN_CHATS = "written", "written_chats"
"""Kinds of questions about written documents, asked alone and after other questions."""
UNANSWERED_CHATS = 10
"""One passage in this many has a chat whose last question it does not answer."""
VERDICT = "yes_or_no"
"""Kind of all yes/no questions, whatever their text."""
MIN_CLOSEST_F1 = 0.6
"""If an answer is not in the text, the most similar words are learned, provided they have this token F1."""


class Asked(NamedTuple):
    """A question about a text.

    Attributes:
        kind: its kind.
        question: the question.
        text: the text.
        answer: the answer as in the text, or yes or no for kind `VERDICT`; None if the text does not answer.
        is_exact: whether the answer is exactly these words; otherwise any part of them is right.
    """

    kind: str
    question: str
    text: str
    answer: str | None
    is_exact: bool = True


class QuestionSampler:
    """Draws the questions of each batch from the seed and the batch number."""

    def __init__(
        self, config: ExtractionTrainingConfig, passages: Sequence[Example], heldout: Sequence[Example]
    ) -> None:
        """Collect the natural questions of the run.

        Args:
            config: the run.
            passages: natural passages to train on.
            heldout: passages that are held out.
        """
        self.config = config
        data = config.data
        rng = random.Random(f"{config.seed}/passages")
        self._natural = _questions(rng, passages, data.unanswerable_share)
        lengths = [len(each.text) for each in self._natural]
        self._order = PooledOrder(str(config.seed), lengths, min(data.questions, len(lengths)))
        chosen = rng.sample(heldout, min(len(heldout), data.max_heldout))
        self._heldout = _questions(rng, chosen, data.unanswerable_share)
        self._chats: list[Asked] = []
        if data.follow_ups_path is not None:
            for chats, own in zip(
                split_by_passage(load_answered_chats(data.follow_ups_path)), (self._chats, self._heldout), strict=True
            ):
                own += [asked for chat in chats for asked in _asked(PUBLISHED_CHATS, chat, is_exact=False)]
        if data.chats:
            self._chats += _follow_ups(rng, passages)
            self._heldout += _follow_ups(rng, chosen)
        lengths = [len(each.text) for each in self._chats]
        self._order_of_chats = PooledOrder(f"{config.seed}/chats", lengths, min(data.chats, len(lengths)))
        self._written: list[Asked] = []
        if data.written:
            for documents, own in zip(
                split_by_passage(written_documents()), (self._written, self._heldout), strict=True
            ):
                own += [asked for document in documents for asked in _about_written(document)]
        lengths = [len(each.text) for each in self._written]
        self._order_of_written = PooledOrder(f"{config.seed}/written", lengths, min(data.written, len(lengths)))

    def batch(self, number: int) -> list[Asked]:
        """Return the questions of a batch: natural, from chats, about written documents, and generated."""
        rng = random.Random(f"{self.config.seed}/extractor/{number}")
        data = self.config.data
        generated = self._generated(rng, {"facts": data.facts, "portraits": data.portraits}, "train")
        natural = [self._natural[i] for i in self._order.batch(number)]
        chats = [self._chats[i] for i in self._order_of_chats.batch(number)]
        written = [self._written[i] for i in self._order_of_written.batch(number)]
        return [*natural, *chats, *written, *generated]

    def heldout_questions(self) -> list[Asked]:
        """Return all held-out questions."""
        rng = random.Random(f"{self.config.seed}/extractor/heldout")
        data = self.config.data
        most = min(NUM_HELDOUT_GENERATED, data.max_heldout)
        counts = {"facts": most if data.facts else 0, "portraits": most if data.portraits else 0}
        return [*self._heldout, *self._generated(rng, counts, "heldout")]

    def _generated(self, rng: random.Random, counts: dict[str, int], split: Split) -> Iterator[Asked]:
        data = self.config.data
        generators = {"facts": generate_fact_example, "portraits": generate_single_entity_example}
        for kind, count in counts.items():
            for _ in range(count):
                example = generators[kind](
                    rng,
                    split=split,
                    num_questions=data.questions_per_context,
                    num_unanswerable=int(data.unanswerable_share > 0),
                )
                yield from _asked(kind, example)
                if data.chats:
                    yield from _follow_ups(rng, [example])


def _questions(rng: random.Random, passages: Sequence[Example], unanswerable_share: float) -> list[Asked]:
    """The questions of natural passages, including a share that their passages do not answer."""
    answered = [asked for passage in passages for asked in _asked("questions", passage)]
    if not unanswerable_share:
        return answered
    changed = [*with_swapped_questions(rng, passages), *with_deleted_answers(passages).values()]
    unanswered = [asked for passage in changed for asked in _asked("questions", passage) if asked.answer is None]
    wanted = round(len(answered) * unanswerable_share / (1 - unanswerable_share))
    return [*answered, *rng.sample(unanswered, min(wanted, len(unanswered)))]


def _follow_ups(rng: random.Random, passages: Sequence[Example]) -> list[Asked]:
    """Questions of passages, each as the last one of a chat, including some that the passage does not answer."""
    chats = [replace(passage, questions=tuple(with_chats(rng, passage)), unanswerable=()) for passage in passages]
    for passage in with_swapped_questions(rng, rng.sample(passages, len(passages) // UNANSWERED_CHATS)):
        turns = [(question.text, question.answers[0]) for question in passage.questions[:1]]
        asked = tuple(question_in_chat(turns, question) for question in passage.unanswerable)
        chats.append(replace(passage, questions=(), unanswerable=asked))
    return [asked for chat in chats for asked in _asked(CHATS, chat)]


def _about_written(document: Example) -> Iterator[Asked]:
    """The questions about a written document, alone and in chats."""
    alone = [question for question in document.questions if not question.turns]
    in_chats = [question for question in document.questions if question.turns]
    yield from _asked(WRITTEN, replace(document, questions=tuple(alone)))
    yield from _asked(WRITTEN_CHATS, replace(document, questions=tuple(in_chats), unanswerable=()))


def _asked(kind: str, example: Example, *, is_exact: bool = True) -> Iterator[Asked]:
    """The questions of an example: those that its text answers, with its words or a verdict, and those it does not."""
    text = "\n\n".join(example.documents)
    for question in example.questions:
        asked = question_in_chat(question.turns, question.text)
        verdict = normalize_answer(question.answers[0])
        if verdict in YES_OR_NO:
            yield Asked(VERDICT, asked, text, verdict)
        elif (answer := _answer_in(text, question.answers)) is not None:
            yield Asked(kind, asked, text, answer, is_exact)
    for question in example.unanswerable:
        yield Asked(UNANSWERABLE, question, text, None)


def _answer_in(text: str, answers: Sequence[str]) -> str | None:
    """The first answer that is in the text, or else its words most similar to one; None if there are none."""
    exact = next((answer for answer in answers if answer in text), None)
    if exact is not None:
        return exact
    words, f1 = closest_words(text, answers)
    return words if f1 >= MIN_CLOSEST_F1 else None
