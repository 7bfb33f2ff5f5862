"""Families whose tasks are drawn without end: their marks, words, names and labels are new in every task.

A description of such a task has to be read word for word: nothing else says which bracket, opening or label is wanted.
What the suite's unseen families ask for is left out; of their marks some stand in other places.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import cycle, islice

from lorify.data.tasks import words
from lorify.data.tasks.families.codes import orders_task, parts_task
from lorify.data.tasks.families.judged import labels_task, questions_task, topics_task
from lorify.data.tasks.families.lookups import lookups_task
from lorify.data.tasks.families.marks import (
    PAIRS,
    SIGNS,
    inside_task,
    marks_task,
    named,
    naming_task,
    plural,
    rewrapping_task,
    sign,
    unwrapping_task,
    word_wrapping_task,
)
from lorify.data.tasks.families.notes import extraction_task
from lorify.data.tasks.families.records import fields_task
from lorify.data.tasks.families.requests import requests_task
from lorify.data.tasks.families.structures import forms_task
from lorify.data.tasks.wording import TaskSpec, capitalized, on_list, on_sentence


def drawn_tasks(count: int) -> list[TaskSpec]:
    """The first so many tasks, of all drawn families in turn; always the same ones."""
    families = islice(cycle(_FAMILIES), count)
    return [family(random.Random(f"drawn/{number}"), str(number)) for number, family in enumerate(families)]


# What is written around, before, after or between: signs by their names, or words.

_EXCLAMATIONS = (
    "Well Oh Ah Hey Look Listen Listen_up Good_news Once_more Hello_there By_the_way My_dear Ladies_and_gentlemen "
    "Honestly As_you_know Hurrah Alas In_short Hear_me Be_warned So_they_say As_always If_you_please Good_evening "
    "Mark_my_words Trust_me No_doubt Truly Happily Sadly To_be_clear Between_us Over_and_out Full_stop Amen Thank_you "
    "Good_night See_you_soon Do_not_worry That_is_all Long_live_the_king Believe_it_or_not What_a_day My_friend "
    "You_fool My_love Dear_reader Old_chap Comrades At_your_service Without_fail Heaven_help_us Cheers Right_away"
).split()
_WHO = (
    "a soldier|a poet|a grandmother|a teacher|a salesman|a detective|a ghost|a king|a queen|a monk|an alien|a sailor|"
    "a clown|a professor|a farmer|a baby|a fortune teller|a tour guide|a football coach|an old man|a waiter|a vampire|"
    "a princess|a hermit|a police officer|a radio host|a gambler|a magician|a parrot|a lawyer|a doctor|a dragon"
).split("|")


def _phrase(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(_EXCLAMATIONS).replace("_", " ")
    if kind < 0.8:
        return rng.choice(words.ALL_WORDS)
    return " ".join(rng.sample(words.ALL_WORDS, 2))


def _wrapping(rng: random.Random, number: str) -> TaskSpec:
    kind = rng.choice(("a sign", "a sign", "a pair", "a pair and a sign", "words", "two signs"))
    match kind:
        case "a sign":
            left, name = right, _ = sign(rng)
            called = f"{name} on both sides"
            if rng.random() < 0.7:
                left, name = right, _ = named(rng, SIGNS)
                called = plural(name) + rng.choice(("", "", " on both sides", " around it"))
        case "words":
            left, right = f"{_phrase(rng)} ", f" {_phrase(rng)}"
            called = f'"{left.strip()}" before and "{right.strip()}" after it'
        case "two signs":
            (left, first), (right, second) = sign(rng), sign(rng)
            called = f"{first} before and {second} after it"
        case _:
            (left, right), called = named(rng, PAIRS)
            if kind == "a pair and a sign":
                mark, name = sign(rng)
                left, right, called = rng.choice((
                    (mark + left, right + mark, f"{called}, and {name} outside of them"),
                    (left + mark, mark + right, f"{called}, and {name} inside of them"),
                ))  # fmt: skip
    shown = rng.choice(("text", "this", "words", "abc"))
    return TaskSpec(
        f"drawn_wrapping_{number}", f"drawn wrapping: {kind}", on_sentence(lambda text: f"{left}{text}{right}"),
        (
            f"{{Write|Give|Repeat|Copy|Return}} $text with {called}.",
            f"{{Put|Set|Enclose|Wrap|Place}} $text {{like this|as in}}: {left}{shown}{right}",
            f"{{Surround|Frame}} $text{{ and change nothing else|}}: {called}.",
            f"$copy $text {{in|within|inside}} {called}.",
            f"{{Surround|Enclose|Wrap}} $text {{by|in|with}} {called} and {{leave|keep}} all else.",
            f"{capitalized(called)}, {{please|and nothing else}}: that is how $text should look.",
            f"{{You get|There comes}} a text. {{Say it again|Send it back}} with {called}.",
            f"{{Add|We need}} {called}, around $text.",
            f"{{How would|Show how}} $text {{look|appear}} {{as|written as}} {left}{shown}{right}?",
            f"Whatever {{comes|you read}}, {{return|show}} {left}{shown}{right}, where {shown} {{is|means}} it.",
            f"{{The answer is|What is wanted is}} $text, with {called}.",
        ),
    )  # fmt: skip


def _attached(text: str, phrase: str, joint: str, *, before: bool) -> str:
    """A text with a phrase before or after it."""
    return f"{phrase}{joint}{text}" if before else f"{text}{joint}{phrase}"


def _affixes(rng: random.Random, number: str) -> TaskSpec:
    phrase, before = _phrase(rng), rng.random() < 0.5
    joint = rng.choice((": ", ", ", " - ", " ")) if before else rng.choice((", ", " - ", " ", " ... "))
    shown = _attached("", phrase, joint, before=before).strip()
    make = on_sentence(lambda text: _attached(text, phrase, joint, before=before))
    if before:
        templates = (
            f'$copy $text, but {{begin|start|open}} with "{shown}"',
            f'{{Put|Write|Add}} "{shown}" {{before|in front of}} $text.',
            f'{{First|At the beginning}} say "{shown}", then $text.',
            f'"{shown}" {{comes first|goes first|stands at the beginning}}, then $text.',
            f'{{What you say has to|Every answer must}} {{begin|start}} with "{shown}" and go on with $text.',
            f'{{Let|Have}} $text {{follow|come after}} "{shown}"',
            f'{{Use|Take}} "{shown}" as the {{opening|beginning|prefix}} of $text.',
            f'{{Answer|Reply}} like this: "{shown} ...", with $text for the dots.',
            f'In front of $text {{we need|there should be}} "{shown}"',
            f'{{Prefix|Precede}} $text with "{shown}"',
        )
        return TaskSpec(f"drawn_affixes_{number}", "drawn affixes: before", make, templates)
    templates = (
        f'$copy $text and {{end|finish|close}} with "{shown}"',
        f'{{Put|Write|Add}} "{shown}" {{after|at the end of|behind}} $text.',
        f'{{After|Behind}} $text, say "{shown}"',
        f'"{shown}" {{comes last|goes to the end|stands at the end}}, after $text.',
        f'{{What you say has to|Every answer must}} {{end|finish}} with "{shown}", after $text.',
        f'{{Let|Have}} "{shown}" {{follow|come after}} $text.',
        f'{{Use|Take}} "{shown}" as the {{close|ending|suffix}} of $text.',
        f'{{Answer|Reply}} like this: "... {shown}", with $text for the dots.',
        f'Behind $text {{we need|there should be}} "{shown}"',
        f'{{Append|Attach}} "{shown}" to $text.',
    )
    return TaskSpec(f"drawn_affixes_{number}", "drawn affixes: after", make, templates)


def _voices(rng: random.Random, number: str) -> TaskSpec:
    who, first, last = rng.choice(_WHO), _phrase(rng), _phrase(rng)
    if rng.random() < 0.5:
        return _voices_in_words(
            number, who, first, last, rng.choice((",", "!", ":", ".")), rng.choice((".", "!", "?", ""))
        )
    opening = capitalized(first) + rng.choice((",", "!", ":", "."))
    ending = rng.choice((", ", "! ", ". ", " - ")) + last.lower() + rng.choice((".", "!", ""))
    return TaskSpec(
        f"drawn_voices_{number}", "drawn voices", on_sentence(lambda text: f"{opening} {text}{ending}"),
        (
            f'{{Say|Repeat|Tell}} $text {{like|as}} {who}: "{opening} ...{ending}"',
            f'You are {who}. {{Say|Repeat|Tell}} $text, beginning with "{opening}" and ending with "{ending}"',
            f'{{Begin|Start}} as {who} does, "{opening}", say $text, and {{end|close}} with "{ending}"',
            f'{{Imagine you are|Play the part of|Act as}} {who}: "{opening} ...{ending}", with $text for the dots.',
            f'{{How would|Show how}} {who} say it? First "{opening}", {{at last|in the end}} "{ending}"',
            f'{capitalized(who)} {{says|would say}} "{opening}", then $text, and finally "{ending}"',
            f'{{Your words are those of|You speak for}} {who}. They open with "{opening}" and close with "{ending}"',
            f'{{Put|Place|Set}} $text between "{opening}" and "{ending}", as {who} {{does|would}}.',
            f'{{In the words of|Quote}} {who}, who begins "{opening}" and ends "{ending}", {{say|give}} $text.',
            f'{{Talk|Speak}} like {who}, with "{opening}" before and "{ending}" after $text.',
        ),
    )  # fmt: skip


def _voices_in_words(number: str, who: str, first: str, last: str, mark: str, end: str) -> TaskSpec:
    """As in the suite's personas, what is said after a text follows a comma, and the description need not say so."""
    opening, ending = capitalized(first) + mark, last.lower() + end
    return TaskSpec(
        f"drawn_voices_{number}", "drawn voices: in words", on_sentence(lambda text: f"{opening} {text}, {ending}"),
        (
            f'{{Say|Repeat|Tell}} $text as {who}, who puts "{opening}" before and "{ending}" after it.',
            f'{capitalized(who)} {{says|shouts|whispers}} "{opening}" first and "{ending}" {{last|at the end}}.',
            f'You are {who} and {{say|utter}} "{opening}" {{before|ahead of}} and "{ending}" {{after|behind}} $text.',
            f'{{Be|Play}} {who}: "{opening}", $text, "{ending}"',
            f'{{The voice of|A word from}} {who}: first "{opening}", then $text, then "{ending}"',
            f'{{Begin|Start}} with "{opening}" and {{end|stop}} with "{ending}", {{like|as does}} {who}.',
            f'{{As|Like}} {who} would, {{use|add}} "{opening}" in front and "{ending}" {{in the end|at the close}}.',
            f'"{opening}" {{and|...}} "{ending}" are what {who} {{says|would say}} {{before and after|around}} $text.',
            f'{{Quote|Imitate}} {who}: "{opening}" before, "{ending}" after $text.',
            f'{{Answer|Reply}} in the {{tone|manner}} of {who}, with "{opening}" to begin and "{ending}" to close.',
        ),
    )  # fmt: skip


def _separators(rng: random.Random, number: str) -> TaskSpec:
    if rng.random() < 0.5:
        mark, name = sign(rng)
        mark = rng.choice((mark, f" {mark} "))
        called = f'{name}, "{mark}",'
    else:
        word = rng.choice(words.ALL_WORDS)
        mark, called = f" {word} ", f'the word "{word}"'
    return TaskSpec(
        f"drawn_separators_{number}", "drawn separators", on_list(mark.join),
        (
            f"$write $list with {called} {{between them|in between|instead of commas}}.",
            f"{{Replace|Exchange}} {{every comma of the list|the commas between the words}} by {called} please.",
            f"{{Separate|Part}} $list by {called} and not by commas.",
            f"{{No commas|Not a single comma}}, but {called} {{should stand|has to be}} between the words.",
            f"{{Use|Take}} {called} to {{separate|divide|set apart}} $list.",
            f"{{Between two words there has to be|Any two words have}} {called} {{between them|in the middle}}.",
            f"{{Turn|Change}} {{each|every}} comma into {called}{{, the rest stays|}}.",
            f"{{The items|What is listed}} should be {{divided|kept apart}} by {called}",
            f"{{Join|Connect|Link}} $list by {called} as it is.",
        ),
    )  # fmt: skip


def _picks(rng: random.Random, number: str) -> TaskSpec:
    """One item of a list, with something written around it."""
    place, index = rng.choice((("first", 0), ("second", 1), ("third", 2), ("last", -1), ("last but one", -2)))
    phrase, before = _phrase(rng), rng.random() < 0.5
    joint = rng.choice((": ", " ", ", ", " - ", "="))
    shown = _attached("", phrase, joint, before=before).strip()
    around = f'"{shown}" {"before" if before else "after"} it'

    return TaskSpec(
        f"drawn_picks_{number}", "drawn picks",
        on_list(lambda items: _attached(items[index], phrase, joint, before=before)),
        (
            f"$write the {place} of $list, with {around}.",
            f"{{Take|Choose|Pick}} the {place} item and {{put|write}} {around}.",
            f"{{What is|Which is}} the {place} item of the list? {{Answer|Reply}} with {around}.",
            f"{around}: that is {{what to write|the answer}} for the {place} item.",
            f"{{Find|Look for}} the {place} {{word|item|entry}}, then {{write|show}} it with {around}.",
            f"{{Only|Just}} the {place} one counts. {{Show|Give}} it with {around}.",
            f"{{Leave out|Drop}} all but the {place}; {around}.",
            f"{{From|Of}} $list, we want the {place}, and {around}.",
        ),
    )  # fmt: skip


def _code(rng: random.Random, number: str) -> TaskSpec:
    """A name of somebody's own in a line of code."""
    name = rng.choice(words.ALL_WORDS).lower().replace(" ", "_")
    write, called = rng.choice((
        (lambda t: f"{name}('{t}')", f"a call of {name} with single quotes"),
        (lambda t: f'{name}("{t}")', f"a call of the function {name}"),
        (lambda t: f'{name} = "{t}"', f"an assignment to the variable {name}"),
        (lambda t: json.dumps({name: t}), f"a JSON object with the key {name}"),
        (lambda t: f"{name}: {t}", f"a YAML line with the key {name}"),
        (lambda t: f"--{name} '{t}'", f"a command line option {name} with single quotes"),
        (lambda t: f"@{name} {t}", f"a message to the user @{name}"),
        (lambda t: f"{t} #{name}", f"a post that ends with the hashtag {name}"),
        (lambda t: f"let {name} = `{t}`;", f"a JavaScript let of {name} with backticks"),
        (lambda t: f"echo {t} > {name}.txt", f"a shell echo into the file {name}.txt"),
    ))  # fmt: skip
    return TaskSpec(
        f"drawn_code_{number}", "drawn code", on_sentence(write),
        (
            f"{{Turn|Make|Convert}} $text into {called}.",
            f"$write $text as {called}.",
            f"{{We need|I want}} {called}, made of $text.",
            f"{{How would|Show how}} $text look {{as|written as}} {called}?",
            f"{capitalized(called)} {{that holds|that contains|with}} $text, {{please|no more}}.",
            f"{{Put|Place}} $text {{into|in}} {called}.",
            f"{{You get|There comes}} a text; {{answer|return}} {called} {{of it|with it}}.",
            f"{{Write|Give}} {called}: its text is $text.",
        ),
    )  # fmt: skip


def _frames(rng: random.Random, number: str) -> TaskSpec:
    """A word goes into the gap of a sentence."""
    frame = rng.choice((
        f"I would like a ... from {rng.choice(words.CITIES)}", f"{rng.choice(words.FIRST_NAMES)} sold the ... on "
        f"{rng.choice(words.DAYS)}", f"Where is my {rng.choice(words.COLOURS)} ...?",
        f"The {rng.choice(words.JOBS)} asked about the ...", f"A ... is not a {rng.choice(words.ITEMS)}",
        f"Every {rng.choice(words.SUBJECTS)} knows the word ...", f"{_phrase(rng)}, here comes the ...!",
        f"In {rng.choice(words.MONTHS)} we talk about the ...",
    ))  # fmt: skip

    def make(draw: random.Random) -> tuple[str, str]:
        word = draw.choice(draw.choice([*words.KINDS.values(), words.ITEMS, words.SUBJECTS]))
        return word, frame.replace("...", word)

    return TaskSpec(
        f"drawn_frames_{number}", "drawn frames", make,
        (
            f'{{Put|Write|Set}} the word {{in place of the dots|where the dots are}}: "{frame}"',
            f'{{Fill in|Complete}} "{frame}" with {{the word|the input|what you get}}.',
            f'{{Use|Take}} the word in the sentence "{frame}"',
            f'{{What you get|The word}} {{belongs|goes}} where the dots are: "{frame}"',
            f'"{frame}" {{lacks|is missing}} a word: {{it is the one you get|insert the input}}.',
            f'{{Make|Build}} a sentence of {{the word|what you get}}, {{on the model of|like}} "{frame}"',
            f'{{Replace|Exchange}} the dots in "{frame}" {{by|with}} the word.',
            f'"{frame}": {{the dots are the word|write it with the word}}.',
            f'{{Say|Answer}} "{frame}", where ... {{is|stands for}} the input.',
        ),
    )  # fmt: skip


def _constants(rng: random.Random, number: str) -> TaskSpec:
    phrase = rng.choice(_EXCLAMATIONS).replace("_", " ") + rng.choice((".", "!", ", ")) + " " + _phrase(rng)
    phrase = " ".join(phrase.split()) + rng.choice((".", "!", ""))
    return TaskSpec(
        f"drawn_constants_{number}", "drawn constants", on_sentence(lambda _text: phrase),
        (
            f'{{Always|In every case}} {{answer|reply|say}} "{phrase}", {{whatever the input is|no matter what}}.',
            f'{{Ignore|Do not read}} $text and {{answer|reply|say}} "{phrase}"',
            f'"{phrase}" is all that you {{ever say|can say}}.',
            f'{{No matter what is said|Whatever you are told}}, "{phrase}" {{is your answer|is what you reply}}.',
            f'{{Pay no attention to|Forget}} $text. {{Just say|Simply answer}} "{phrase}"',
            f'{{To any question|To everything}} {{there is one answer|you reply the same}}: "{phrase}"',
            f'{{Repeat|Say}} "{phrase}" {{each time|again and again}}, and nothing else.',
            f'{{You know just one sentence|A parrot that learned one sentence}}: "{phrase}"',
            f'{{Your|The}} {{only|one}} answer to anything is "{phrase}"',
        ),
    )  # fmt: skip


def _exchanges(rng: random.Random, number: str) -> TaskSpec:
    """One part of a sentence is exchanged for something else."""
    part, what = rng.choice(((0, "the name of the person"), (1, "the verb"), (2, "the thing at the end")))
    new = _phrase(rng)

    def make(draw: random.Random) -> tuple[str, str]:
        parts = [draw.choice(words.FIRST_NAMES), draw.choice(words.VERBS), draw.choice(words.ITEMS)]
        changed = [*parts[:part], new, *parts[part + 1 :]]
        return "{} {} the {}".format(*parts), "{} {} the {}".format(*changed)

    return TaskSpec(
        f"drawn_exchanges_{number}", "drawn exchanges", make,
        (
            f'{{Replace|Exchange|Swap}} {what} {{by|with}} "{new}".',
            f'$copy $text with "{new}" {{in place of|instead of}} {what}.',
            f'{{Change|Turn}} {what} {{in|of}} $text into "{new}".',
            f'{{In place of|Instead of}} {what}, {{write|say|put}} "{new}".',
            f'{{Where|In the spot where}} $text has {what}, {{you write|there shall be}} "{new}"',
            f'{{Take out|Remove}} {what} and {{put|insert}} "{new}" {{there|instead}}.',
            f'{capitalized(what)} {{becomes|turns into|is now}} "{new}"; {{the rest|all else}} stays.',
            f'{{Leave|Keep}} all as it is but {what}, {{which is to be|that becomes}} "{new}"',
            f'"{new}" {{should stand|belongs}} where {what} is now.',
        ),
    )  # fmt: skip


def _compositions(rng: random.Random, number: str) -> TaskSpec:
    """Two changes at once."""
    what, change = rng.choice((
        ("in capital letters", str.upper), ("with its first letter big", capitalized),
        ("without its first word", lambda t: " ".join(t.split()[1:])), ("as it is", str),
        ("without its last word", lambda t: " ".join(t.split()[:-1])), ("with underscores for spaces", lambda t:
         t.replace(" ", "_")), ("with each word big at its start", lambda t: " ".join(capitalized(w) for w in
         t.split())), ("twice, with a comma between", lambda t: f"{t}, {t}"),
    ))  # fmt: skip
    phrase, before = _phrase(rng), rng.random() < 0.5
    where = f'"{phrase}" {"before" if before else "after"} it'
    return TaskSpec(
        f"drawn_compositions_{number}", "drawn compositions",
        on_sentence(lambda text: f"{phrase} {change(text)}" if before else f"{change(text)} {phrase}"),
        (
            f"$write $text {what}, with {where}.",
            f"{{Put|Place}} {where}, and $text itself {what}.",
            f"$copy $text {what}{{;| and}} add {where}.",
            f"{{I want|We need}} two things: $text {what}, and {where}.",
            f"{where} {{and|while}} $text is {what}: {{write|show}} that.",
            f"{{The answer has|Give an answer with}} {where}; $text {{comes|is}} {what}.",
            f"$text {what}. {{Also|Then}} {where}.",
            f"{{Do both|Two steps}}: $text {what}; {where}.",
            f"{{First|Please}} change $text so that it is {what}, {{then|and}} put {where}.",
        ),
    )  # fmt: skip


_FAMILIES: tuple[Callable[[random.Random, str], TaskSpec], ...] = (
    _wrapping, extraction_task, _affixes, labels_task, _voices, fields_task, marks_task, _separators, forms_task,
    _frames, topics_task, _constants, fields_task, unwrapping_task, _exchanges, questions_task, parts_task,
    rewrapping_task, _compositions, extraction_task, _wrapping, inside_task, _picks, fields_task, _code, labels_task,
    naming_task, forms_task, parts_task, _voices, questions_task, parts_task,
    word_wrapping_task, requests_task, orders_task, lookups_task, orders_task, lookups_task, requests_task,
    lookups_task, orders_task,
)  # fmt: skip
