"""Tests that inputs pass or fail, such as being an even number, a city, or a positive review."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawTestInput


def _number_that(test: Callable[[int], bool]) -> DrawTestInput:
    numbers = {passes: [n for n in range(1, 100) if test(n) is passes] for passes in (True, False)}
    return lambda rng, passes: str(rng.choice(numbers[passes]))


def _word_of(kind: str) -> DrawTestInput:
    others = [word for name, group in words.CATEGORIES.items() if name != kind for word in group]
    return lambda rng, passes: rng.choice(words.CATEGORIES[kind] if passes else others)


def _either(yes: tuple[str, ...], no: tuple[str, ...]) -> DrawTestInput:
    return lambda rng, passes: rng.choice(yes if passes else no)


def _sentence_with(word: str) -> DrawTestInput:
    def draw(rng: random.Random, passes: bool) -> str:
        while (word in (text := words.draw_sentence(rng)).split()) is not passes:
            pass
        return text

    return draw


@dataclass(frozen=True)
class InputTest:
    """A test.

    Attributes:
        group: tests of one group have similar inputs.
        statements: statements that are true for inputs that pass.
        questions: questions whose answer is yes for inputs that pass.
        draw_input: draws an input that passes or fails.
    """

    group: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    draw_input: DrawTestInput


def _test(group: str, statements: str, questions: str, draw: DrawTestInput) -> InputTest:
    return InputTest(group, tuple(statements.split("|")), tuple(questions.split("|")), draw)


_TESTS = (
    _test("reviews", "the review is positive|the customer praises it|the opinion is a good one|somebody is content"
          "|it is well spoken of|there is praise in it",
          "was the customer content|does it sound satisfied|is it a friendly opinion|was it worth the money",
          words.draw_review),
    *(
        _test("words", f"the word is a kind of {kind}|a {kind} is named|it can be called {kind}",
              f"does it name a {kind}|is a {kind} meant|is this one of the {kind}s", _word_of(kind))
        for kind in words.CATEGORIES
    ),
    _test("numbers", "the number is even|it can be halved", "can it be halved|is it even",
          _number_that(lambda n: n % 2 == 0)),
    _test("numbers", "the number is above fifty|it is more than fifty", "is it more than fifty|does it exceed fifty",
          _number_that(lambda n: n > 50)),
    _test("numbers", "the number has two digits|two digits stand there", "are there two digits|has it two places",
          _number_that(lambda n: n > 9)),
    _test("words", "the word is a weekday|a day is named", "is it a day of the week|does it name a day",
          _either(words.DAYS, words.MONTHS)),
    _test("words", "the word is a city|a town is named", "is it a town|could one live in this town",
          _either(words.CITIES, words.FIRST_NAMES)),
    _test("words", "the word is a colour|a colour is named", "is it a colour|could one paint with it",
          _either(words.COLOURS, words.ITEMS)),
    _test("words", "the word is a job|somebody could work as this", "is it a profession|can one work as this",
          _either(words.JOBS, words.ITEMS)),
    _test("words", "the verb is in the past tense|it is over", "is it said of the past|is it over",
          _either(tuple(words.PASTS.values()), tuple(words.PASTS))),
    _test("words", "the noun is plural|it is more than one", "is it several of them|is it a plural",
          _either(tuple(words.PLURALS.values()), tuple(words.PLURALS))),
    *(
        _test("sentences", f"the {word} is mentioned|there is a {word} in it|it is about a {word}",
              f"does a {word} appear|is it about a {word}|has it to do with a {word}", _sentence_with(word))
        for word in (*words.SUBJECTS, *words.ITEMS)
    ),
    *(
        _test("sentences", f"somebody {word} something|the verb is {word}", f"is it somebody who {word}",
              _sentence_with(word))
        for word in words.VERBS
    ),
)  # fmt: skip


_GROUPS = {group: [test for test in _TESTS if test.group == group] for group in sorted({test.group for test in _TESTS})}


def draw_test(rng: random.Random) -> tuple[InputTest, str, str, str]:
    """Draw a test, with all groups equally likely, two of its statements and one of its questions."""
    test = rng.choice(_GROUPS[rng.choice(list(_GROUPS))])
    first, second = rng.sample(test.statements, 2)
    return test, first, second, rng.choice(test.questions)
