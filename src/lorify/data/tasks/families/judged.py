"""Drawn families whose answers are few and named by the description: labels, yes or no, topics."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.wording import DrawTested, TaskSpec, one_of, tested


def _number_that(test: Callable[[int], bool]) -> DrawTested:
    numbers = {so: [n for n in range(1, 100) if test(n) is so] for so in (True, False)}
    return lambda rng, so: str(rng.choice(numbers[so]))


def _word_of(kind: str) -> DrawTested:
    others = [word for name, group in words.KINDS.items() if name != kind for word in group]
    return lambda rng, so: rng.choice(words.KINDS[kind] if so else others)


def _either(yes: tuple[str, ...], no: tuple[str, ...]) -> DrawTested:
    return lambda rng, so: rng.choice(yes if so else no)


def _sentence_with(word: str) -> DrawTested:
    def draw(rng: random.Random, so: bool) -> str:
        while (word in (text := words.make_sentence(rng)).split()) is not so:
            pass
        return text

    return draw


@dataclass(frozen=True)
class Test:
    """What can be true of an input or not.

    Attributes:
        group: tests of one group have alike inputs.
        statements: that it is true, in different words.
        questions: whether it is true, in different words.
        draw: an input of which it is true, or not.
    """

    group: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    draw: DrawTested


def _test(group: str, statements: str, questions: str, draw: DrawTested) -> Test:
    return Test(group, tuple(statements.split("|")), tuple(questions.split("|")), draw)


_TESTS = (
    _test("reviews", "the review is positive|the customer praises it|the opinion is a good one|somebody is content"
          "|it is well spoken of|there is praise in it",
          "was the customer content|does it sound satisfied|is it a friendly opinion|was it worth the money",
          words.make_review),
    *(
        _test("words", f"the word is a kind of {kind}|a {kind} is named|it can be called {kind}",
              f"does it name a {kind}|is a {kind} meant|is this one of the {kind}s", _word_of(kind))
        for kind in words.KINDS
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
"""What can be tested, and how an input is drawn that passes or does not."""

_GROUPS = {group: [test for test in _TESTS if test.group == group] for group in sorted({test.group for test in _TESTS})}

_LABELS = (
    "positive:negative good:bad up:down one:zero right:wrong green:red accept:reject hot:cold black:white in:out "
    "left:right A:B X:Y win:lose correct:incorrect great:awful sun:rain plus:minus yes:no yep:nope true_that:not_so "
    "certainly:never agree:disagree fair:unfair approve:disapprove legal:illegal buy:sell stay:go take:leave "
    "day:night cat:dog happy:angry open:closed 1:0 10:20 first:second gold:stone"
).split()
_LEFT_OUT = {"like", "dislike", "thumbs up", "thumbs down", "keep", "return", "pass", "fail", "true", "false"}
"""Labels of the suite's unseen family `votes`."""


def _drawn_test(rng: random.Random) -> tuple[Test, str, str, str]:
    """A test, of all groups alike, two of its statements and one of its questions."""
    test = rng.choice(_GROUPS[rng.choice(list(_GROUPS))])
    first, second = rng.sample(test.statements, 2)
    return test, first, second, rng.choice(test.questions)


def labels_task(rng: random.Random, number: str) -> TaskSpec:
    """A test decides between two answers."""
    test, first, second, question = _drawn_test(rng)
    if rng.random() < 0.5:
        good, bad = rng.choice(_LABELS).replace("_", " ").split(":")
    else:
        good, bad = rng.sample([word for word in words.ALL_WORDS if word not in _LEFT_OUT], 2)
    if rng.random() < 0.2:
        good, bad = good.upper(), bad.upper()

    return TaskSpec(
        f"drawn_labels_{number}", f"drawn labels: {test.group}", tested(test.draw, good, bad),
        (
            f'$decide {{whether|if}} {first}: {{answer|say}} "{good}" if so, else "{bad}".',
            f'{{Answer|Reply|Write}} "{good}" if {second}, {{otherwise|and if not}} "{bad}".',
            f'{{Label|Mark}} {{the input|what you get}} as "{good}" if {first}, and "{bad}" if not.',
            f'{{If|When|In case}} {first}, {{the answer is|write|say}} "{good}". {{If not|Otherwise}}, "{bad}".',
            f'{{Choose|Pick}} one: "{good}" (that is, {second}) or "{bad}".',
            f'"{good}" {{means|stands for}}: {first}. "{bad}" {{means|stands for}} the contrary. {{Which is it?|}}',
            f'{{Is it so that|Is it true that}} {second}? Then "{good}", {{else|if not,}} "{bad}".',
            f'{{Use|Give}} "{bad}" {{unless|except if}} {first}; {{then|in that case}} {{use|give}} "{good}".',
            f'{{Sort|Tag|File}} what comes: "{good}" where {second}, "{bad}" {{for the rest|elsewhere}}.',
            f'{{There are two answers|Two words are allowed}}, "{good}" and "{bad}"; the first {{if|when}} {first}.',
            f'{{Say|Shout}} "{good}" {{each time|whenever}} {second}, and "{bad}" {{if it is not so|otherwise}}.',
            f'"{good}" or "{bad}": {question}?',
            f'{question.capitalize()}? {{Answer|Reply}} "{good}", {{or else|otherwise}} "{bad}".',
            f'"{good}" or "{bad}"? It is "{good}" {{when|where}} {second}.',
        ),
        (good, bad),
    )  # fmt: skip


def questions_task(rng: random.Random, number: str) -> TaskSpec:
    """Yes or no, written in one of several ways."""
    test, first, second, question = _drawn_test(rng)
    yes, no = rng.choice((("yes", "no"), ("Yes", "No"), ("Yes.", "No."), ("YES", "NO"), ("yes!", "no!"), ("y", "n")))
    plain = (yes, no) == ("yes", "no")
    told = "" if plain else f' {{Write|Say}} "{yes}" or "{no}".'
    either = "{yes or no|no or yes}" if plain else f'{{"{yes}" or "{no}"|"{no}" or "{yes}"}}'

    return TaskSpec(
        f"drawn_questions_{number}", f"drawn questions: {test.group}", tested(test.draw, yes, no),
        (
            f"$decide {{whether|if}} {first}. {{Answer|Reply}} {either}.",
            f"{question.capitalize()}?{told} {{No other word|Nothing more}}.",
            f"{{Is it so that|Is it true that|Would you say that}} {second}?{told}",
            f"{either.capitalize()}: {question}?",
            f"{{We ask|The question is}} {{whether|if}} {second}; {{the answer is|say}} {either}.",
            f"{{Find out|Tell us}} {{whether|if}} {first}, {{by|with}} {either}.",
            f"{{It is|The answer is}} {either}, {{depending on whether|as}} {second} or not.",
            f"{{To be answered with|An answer of}} {either}: {question}?",
            f"{question.capitalize()} ({{{yes}/{no}|{no}/{yes}}})",
            f"{{{yes}/{no}|{no}/{yes}}} - {question}?",
            f"{question.capitalize()}? {{A|Your}} {yes}/{no} {{will do|is all we want}}.",
            f"{{The input|What you get}}: {question}, {yes} or {no}?",
        ),
        (yes, no),
    )  # fmt: skip


def topics_task(rng: random.Random, number: str) -> TaskSpec:
    """Two or three topics, or kinds of things, with answers of their own."""
    of_texts = rng.random() < 0.5
    groups = words.TOPICS if of_texts else words.KINDS
    chosen = rng.sample(list(groups), rng.choice((2, 3)))
    if rng.random() < 0.5:
        labels = dict(zip(chosen, chosen, strict=True))
        rules = one_of(chosen)
    else:
        labels = dict(zip(chosen, rng.sample(words.ALL_WORDS, len(chosen)), strict=True))
        rules = ", ".join(f'"{labels[name]}" for {name}' for name in chosen)

    def make(draw: random.Random) -> tuple[str, str]:
        name = draw.choice(chosen)
        return draw.choice(groups[name]).format(draw.choice(words.FIRST_NAMES)), labels[name]

    what = "the topic" if of_texts else "the kind of thing"
    return TaskSpec(
        f"drawn_topics_{number}", f"drawn topics: {'texts' if of_texts else 'things'}", make,
        (
            f"{{Name|Give|Tell}} {what}: {rules}.",
            f"{{Sort|File|Classify}} {{the input|what you get}} by {what}, {rules}.",
            f"{{Which|What}} of these is it, {rules}? {{Answer with one.|}}",
            f"{{I want|We need}} {what} {{only|and no more}}: {rules}.",
            f"{{Look at|Read}} {{the input|it}} and {{name|write}} {what}, one of: {rules}.",
            f"{{Put|Assign}} {{it|what comes}} {{in|to}} a group by {what}: {rules}.",
            f"{{The labels are|You may answer}} {rules}. {{Choose|Decide}} by {what}.",
            f"{{Would you say|Is it}} {rules}?",
            f"{what.capitalize()} {{decides|counts}}: {rules}.",
        ),
        tuple(labels.values()),
    )  # fmt: skip
