"""Writing questions as a task: a sentence of a document and a word of it in, a question whose answer that word is, out.

The request shows what a reader needs to say whom or what the sentence is about:

    The Velmora Harbour Museum opened in 1893. It is on Pier 4.

    Answer: Pier 4

namely the document's beginning, the sentence before and the sentence itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from lorify.data.cloze.statements import MAX_ANSWER_WORDS, MAX_WORDS, ClozeStatement, split_sentences
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.tasks.schema import Instance, Task

MAX_BEGINNING_WORDS = 16
MAX_BEFORE_WORDS = 20
DEFINITION = "Write a question about the text that has the given answer."
PARTS = 4
"""Into how many tasks passages and generated documents are divided, so that a batch can have several."""
GENERATED_DOCUMENTS = 400
_WORD = re.compile(r"\w{4,}")
_QUESTION = re.compile(r"(?!Question\b)[A-Z][^:\n]*\?")


def question_writing_prompt(sentences: Sequence[str], place: int, answer: str) -> str:
    """What is asked for a question.

    Args:
        sentences: the sentences of a document, in order.
        place: which of them is asked about.
        answer: words of it.
    """
    beginning = " ".join(sentences[0].split()[:MAX_BEGINNING_WORDS])
    shown = [beginning] if place > 0 else []
    shown += [" ".join(sentences[place - 1].split()[-MAX_BEFORE_WORDS:])] if place > 1 else []
    shown.append(sentences[place])
    return f"{' '.join(shown)}\n\nAnswer: {answer}"


def select_unambiguous(statements: Sequence[ClozeStatement]) -> list[ClozeStatement]:
    """Written questions that can be learned from, each once with its answer, in order.

    Left out are what is no question, what says its own answer, and what was written for two different answers.
    """
    answers: dict[str, set[str]] = {}
    for statement in statements:
        answers.setdefault(statement.question, set()).add(statement.answer)
    kept = {
        statement.question: statement
        for statement in reversed(statements)
        if statement.question.endswith("?")
        and len(answers[statement.question]) == 1
        and statement.answer.lower() not in statement.question.lower()
    }
    return list(reversed(kept.values()))


def question_writing_tasks(passages: Sequence[Example], seed: int = 0) -> list[Task]:
    """The task of writing questions, in parts, half of them from generated documents.

    Args:
        passages: documents with questions; those whose first answer is a few words of a sentence are learned.
        seed: seed of the generated documents.
    """
    tasks = []
    for number in range(PARTS):
        generate = generate_single_entity_example if number % 2 else generate_fact_example
        rngs = (random.Random(f"{seed}/{number}/{document}") for document in range(GENERATED_DOCUMENTS))
        generated = [generate(rng, num_questions=12) for rng in rngs]
        for family, examples in (("generated", generated), ("passages", passages[number::PARTS])):
            instances = tuple(instance for example in examples for instance in _instances(example))
            name = f"questions of {family} {number}"
            tasks.append(Task(name, DEFINITION, (DEFINITION,), instances, "f1", family, "question writing"))
    return [task for task in tasks if len(task.instances) > 1]


def _instances(example: Example) -> Iterator[Instance]:
    sentences = [sentence for document in example.documents for sentence in split_sentences(document)]
    for question in example.questions:
        answer, text = question.answers[0].strip(), " ".join(question.text.split())
        there = [i for i, sentence in enumerate(sentences) if re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", sentence)]
        if not there or not 0 < len(answer.split()) <= MAX_ANSWER_WORDS or not _QUESTION.fullmatch(text):
            continue
        asked = set(_WORD.findall(text.lower()))
        place = max(there, key=lambda i: len(asked & set(_WORD.findall(sentences[i].lower()))))
        request = question_writing_prompt(sentences, place, answer)
        if len(sentences[place].split()) <= MAX_WORDS and asked & set(_WORD.findall(request.lower())):
            yield Instance(request, (text,))
