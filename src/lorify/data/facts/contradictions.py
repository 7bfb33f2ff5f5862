"""Documents that contradict each other: the same text with every answer replaced by another value."""

from __future__ import annotations

import random
import re

from lorify.data.answers import YES_OR_NO
from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example

SOURCE = "contradiction"


def contradict(example: Example, rng: random.Random) -> Example:
    """Replace every answer in the example's documents and questions by a conflicting value of the same type.

    A value with digits gets other digits. Any other value is replaced by the answer to a question about another
    generated document. Questions whose answer is not verbatim in the document (`Yes`) keep it.

    Args:
        example: documents with questions.
        rng: source of randomness.

    Returns:
        An example with source `contradiction`.
    """
    replacements = {
        answer: _change_digits(answer, rng) if _has_digit(answer) else _draw_other_answer(answer, rng)
        for answer in dict.fromkeys(question.answers[0] for question in example.questions)
        if answer.lower() not in YES_OR_NO
    }
    # In one pass, longest first, so that neither new values nor parts of answers are replaced.
    longest_first = sorted(map(re.escape, replacements), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")
    documents = tuple(pattern.sub(lambda match: replacements[match.group()], text) for text in example.documents)
    replaced = {answer for text in example.documents for answer in pattern.findall(text)}
    new_values = {replacements[answer] for answer in replaced}
    questions = tuple(
        Question(question.text, (replacements[question.answers[0]],))
        if replacements.get(question.answers[0]) in new_values
        else question
        for question in example.questions
    )
    return Example(documents, questions, SOURCE)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _change_digits(text: str, rng: random.Random) -> str:
    """Replace every digit by another one, never by zero, so that no number gets a leading zero."""

    def change(match: re.Match[str]) -> str:
        return rng.choice([digit for digit in "123456789" if digit != match.group()])

    return re.sub(r"\d", change, text)


def _draw_other_answer(text: str, rng: random.Random) -> str:
    """Draw another answer without digits, if possible with the same number of words."""
    candidates = [
        question.answers[0]
        for _ in range(4)
        for question in generate_fact_example(rng, split="heldout", num_questions=12).questions
        if not _has_digit(question.answers[0])
    ]
    others = [answer for answer in candidates if answer.lower() not in (text.lower(), *YES_OR_NO)]
    assert others
    same_length = [answer for answer in others if len(answer.split()) == len(text.split())]
    return rng.choice(same_length or others)
