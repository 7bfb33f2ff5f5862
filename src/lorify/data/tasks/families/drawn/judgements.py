"""Tasks that apply a test and give the outcome as a label, or as yes or no."""

from __future__ import annotations

import random

from lorify.data.tasks import words
from lorify.data.tasks.families.drawn.input_tests import draw_test
from lorify.data.tasks.families.drawn.phrases import phrase_table
from lorify.data.tasks.spec import TaskSpec, on_test

_RESERVED = {"like", "dislike", "thumbs up", "thumbs down", "keep", "return", "pass", "fail", "true", "false"}
"""Labels of the suite's unseen family `votes`."""


def draw_labels_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that gives one of two labels, depending on a test."""
    test, first, second, question = draw_test(rng)
    if rng.random() < 0.5:
        good, bad = rng.choice(phrase_table()["labels"])
    else:
        good, bad = rng.sample([word for word in words.ALL_WORDS if word not in _RESERVED], 2)
    if rng.random() < 0.2:
        good, bad = good.upper(), bad.upper()

    return TaskSpec(
        f"drawn_labels_{number}", f"drawn labels: {test.group}", on_test(test.draw_input, good, bad),
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


def draw_questions_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that answers yes or no, written in one of several ways, depending on a test."""
    test, first, second, question = draw_test(rng)
    yes, no = rng.choice((("yes", "no"), ("Yes", "No"), ("Yes.", "No."), ("YES", "NO"), ("yes!", "no!"), ("y", "n")))
    is_plain = (yes, no) == ("yes", "no")
    request = "" if is_plain else f' {{Write|Say}} "{yes}" or "{no}".'
    either = "{yes or no|no or yes}" if is_plain else f'{{"{yes}" or "{no}"|"{no}" or "{yes}"}}'

    return TaskSpec(
        f"drawn_questions_{number}", f"drawn questions: {test.group}", on_test(test.draw_input, yes, no),
        (
            f"$decide {{whether|if}} {first}. {{Answer|Reply}} {either}.",
            f"{question.capitalize()}?{request} {{No other word|Nothing more}}.",
            f"{{Is it so that|Is it true that|Would you say that}} {second}?{request}",
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
