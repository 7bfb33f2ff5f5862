"""Documents that contradict each other: the same text with other values in the places of its answers."""

from __future__ import annotations

import random
import re

from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example

SOURCE = "contradiction"


def contradict(example: Example, rng: random.Random) -> Example:
    """The example's documents and questions with every answer exchanged for a rival of its kind.

    A rival of something with digits has other digits; of anything else it is the answer to a question about another
    generated document. Questions whose answer is not in the document word for word (`Yes`) keep it.

    Args:
        example: documents with questions.
        rng: where chance comes from.
    """
    rivals = {
        answer: _other_digits(answer, rng) if any(c.isdigit() for c in answer) else _other_name(answer, rng)
        for answer in dict.fromkeys(question.answers[0] for question in example.questions)
        if answer.lower() not in ("yes", "no")
    }
    # All at once and the longest first, so that no rival is exchanged again, nor a part of an answer.
    longest_first = sorted(map(re.escape, rivals), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")
    documents = tuple(pattern.sub(lambda match: rivals[match.group()], text) for text in example.documents)
    told = {rivals[match] for text in example.documents for match in pattern.findall(text)}
    questions = tuple(
        Question(q.text, (rivals[q.answers[0]],)) if rivals.get(q.answers[0]) in told else q for q in example.questions
    )
    return Example(documents, questions, SOURCE)


def _other_digits(text: str, rng: random.Random) -> str:
    """The text with other digits; none comes to stand first that was not there, and a text never stays as it is."""

    def other(match: re.Match[str]) -> str:
        return rng.choice([digit for digit in "123456789" if digit != match.group()])

    return re.sub(r"\d", other, text)


def _other_name(text: str, rng: random.Random) -> str:
    """An answer without digits, as long in words if one comes soon."""
    found = [
        question.answers[0]
        for _ in range(4)
        for question in generate_fact_example(rng, split="heldout", num_questions=12).questions
        if not any(c.isdigit() for c in question.answers[0])
    ]
    others = [answer for answer in found if answer.lower() not in (text.lower(), "yes", "no")]
    assert others
    alike = [answer for answer in others if len(answer.split()) == len(text.split())]
    return rng.choice(alike or others)
