"""Question writing as a task: given a sentence and an answer in it, write the question.

The prompt shows the beginning of the document, the previous sentence and the sentence itself, so that a reader knows
what the sentence is about:

    The Velmora Harbour Museum opened in 1893. It is on Pier 4.

    Answer: Pier 4
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import MAX_ANSWER_WORDS, MAX_WORDS, ClozeStatement
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.tasks.schema import Instance, Task

MAX_BEGINNING_WORDS = 16
MAX_BEFORE_WORDS = 20
DEFINITION = "Write a question about the text that has the given answer."
NUM_PARTS = 4
"""Number of tasks that passages and generated documents are divided into, so that a batch can contain several."""
DOCUMENTS_PER_PART = 400
_WORD = re.compile(r"\w{4,}")
_QUESTION = re.compile(r"(?!Question\b)[A-Z][^:\n]*\?")


def question_writing_prompt(sentences: Sequence[str], index: int, answer: str) -> str:
    """Build the prompt for a question about one sentence.

    Args:
        sentences: the sentences of a document, in order.
        index: index of the sentence.
        answer: words of the sentence.
    """
    beginning = " ".join(sentences[0].split()[:MAX_BEGINNING_WORDS])
    shown = [beginning] if index > 0 else []
    shown += [" ".join(sentences[index - 1].split()[-MAX_BEFORE_WORDS:])] if index > 1 else []
    shown.append(sentences[index])
    return f"{' '.join(shown)}\n\nAnswer: {answer}"


def select_unambiguous(statements: Sequence[ClozeStatement]) -> list[ClozeStatement]:
    """Select written questions to learn from, in order and without duplicates.

    Texts that are not questions are dropped, as are questions that contain their answer or were written for two
    different answers.
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
    """Build the task of question writing in several parts, half of them from generated documents.

    Args:
        passages: documents with questions; only questions whose first answer is a few words of a sentence are used.
        seed: seed of the generated documents.
    """
    tasks = []
    for number in range(NUM_PARTS):
        generate = generate_single_entity_example if number % 2 else generate_fact_example
        rngs = (random.Random(f"{seed}/{number}/{document}") for document in range(DOCUMENTS_PER_PART))
        generated = [generate(rng, num_questions=12) for rng in rngs]
        for family, examples in (("generated", generated), ("passages", passages[number::NUM_PARTS])):
            instances = tuple(instance for example in examples for instance in _instances(example))
            name = f"questions of {family} {number}"
            tasks.append(Task(name, DEFINITION, (DEFINITION,), instances, "f1", family, "question writing"))
    return [task for task in tasks if len(task.instances) > 1]


def _instances(example: Example) -> Iterator[Instance]:
    sentences = [sentence for document in example.documents for sentence in split_sentences(document)]
    for question in example.questions:
        answer, text = question.answers[0].strip(), " ".join(question.text.split())
        containing = _find_sentences(sentences, answer)
        if not containing or not 0 < len(answer.split()) <= MAX_ANSWER_WORDS or not _QUESTION.fullmatch(text):
            continue
        question_words = _long_words(text)
        index = max(containing, key=lambda i: len(question_words & _long_words(sentences[i])))
        prompt = question_writing_prompt(sentences, index, answer)
        if len(sentences[index].split()) <= MAX_WORDS and question_words & _long_words(prompt):
            yield Instance(prompt, (text,))


def _find_sentences(sentences: Sequence[str], answer: str) -> list[int]:
    """Indices of the sentences that contain the answer as whole words."""
    pattern = re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)")
    return [i for i, sentence in enumerate(sentences) if pattern.search(sentence)]


def _long_words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
