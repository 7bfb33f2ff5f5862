"""Families whose tasks are drawn without end: their marks, words, names and labels are new in every task.

A description of such a task has to be read word for word: nothing else says which bracket, opening or label is wanted.
What the suite's unseen families ask for is left out; of their marks some stand in other places.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle, islice

from lorify.data import task_words as words
from lorify.data.task_families_records import Draw, between, fields_task, full_name, of, parts_task
from lorify.data.task_wording import Make, TaskSpec, capitalized, on_list, on_sentence


def drawn_tasks(count: int) -> list[TaskSpec]:
    """The first so many tasks, of all drawn families in turn; always the same ones."""
    families = islice(cycle(_FAMILIES), count)
    return [family(random.Random(f"drawn/{number}"), str(number)) for number, family in enumerate(families)]


# What is written around, before, after or between: signs by their names, or words.

SIGNS = {
    "*": "asterisk", "_": "underscore", "~": "tilde", "#": "hash sign", "|": "vertical bar", "%": "percent sign",
    "+": "plus sign", "^": "caret", "@": "at sign", "&": "ampersand", "!": "exclamation mark", "?": "question mark",
    ":": "colon", ";": "semicolon", "/": "slash", "-": "hyphen", ".": "dot", "'": "single quote",
    '"': "double quotation mark", "`": "backtick", "\\": "backslash", "…": "ellipsis",
    "•": "bullet", "§": "section sign", "€": "euro sign", "£": "pound sign", "°": "degree sign",
}  # fmt: skip
_WORDS = (
    *(word for group in words.KINDS.values() for word in group),
    *(words.ITEMS + words.COLOURS + words.SUBJECTS + words.JOBS + words.CITIES + words.DAYS + words.MONTHS),
    *(*words.OPPOSITES, *words.PASTS.values()),
)
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
_NUMERALS = {1: "one", 2: "two", 3: "three"}


_PAIRS = {
    ("{", "}"): "curly braces", ("«", "»"): "guillemets", ("“", "”"): "curly quotation marks",
    ("/", "\\"): "a slash before and a backslash after it", ("->", "<-"): "arrows that point at it",
    ("{{", "}}"): "double curly braces",
    ("‹", "›"): "single guillemets", ("¿", "?"): "Spanish question marks", ("¡", "!"): "Spanish exclamation marks",
    ("/*", "*/"): "the marks of a C comment",
    ("„", "“"): "German quotation marks",
}  # fmt: skip
"""Two different marks, and what they are called; each also between or outside of signs."""


def _sign(rng: random.Random, signs: Mapping[str, str] = SIGNS) -> tuple[str, str]:
    """A sign, one to three times, and what it is called."""
    sign, names = rng.choice(list(signs.items()))
    name, times = rng.choice(names.split("|")), rng.choice((1, 1, 2, 3))
    return sign * times, f"{_NUMERALS[times]} {name if times == 1 else _plural(name)}"


def _plural(name: str) -> str:
    if name.endswith("sis"):
        return f"{name[:-2]}es"
    if name.startswith("empty pair"):
        return name.replace("pair", "pairs")
    return f"{name}{'es' if name[-1] == 'h' else 's'}"


def _phrase(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(_EXCLAMATIONS).replace("_", " ")
    if kind < 0.8:
        return rng.choice(_WORDS)
    return " ".join(rng.sample(_WORDS, 2))


def _wrapping(rng: random.Random, number: str) -> TaskSpec:
    kind = rng.random()
    if kind < 0.4:
        left, name = right, _ = _sign(rng)
        called = f"{name} on both sides"
        if rng.random() < 0.4:
            left, name = right, _ = rng.choice(list(SIGNS.items()))
            called = _plural(name)
    elif kind < 0.6:
        (left, right), called = rng.choice(list(_PAIRS.items()))
        if rng.random() < 0.5:
            sign, name = _sign(rng)
            left, right, called = rng.choice((
                (sign + left, right + sign, f"{called}, and {name} outside of them"),
                (left + sign, sign + right, f"{called}, and {name} inside of them"),
            ))  # fmt: skip
    elif kind < 0.8:
        left, right = f"{_phrase(rng)} ", f" {_phrase(rng)}"
        called = f'"{left.strip()}" before and "{right.strip()}" after it'
    else:
        (left, first), (right, second) = _sign(rng), _sign(rng)
        called = f"{first} before and {second} after it"
    shown = rng.choice(("text", "this", "words", "abc"))
    return TaskSpec(
        f"drawn_wrapping_{number}", "drawn wrapping", on_sentence(lambda text: f"{left}{text}{right}"),
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
        return TaskSpec(f"drawn_affixes_{number}", "drawn affixes", make, templates)
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
    return TaskSpec(f"drawn_affixes_{number}", "drawn affixes", make, templates)


_BRACKETS = {
    "(": "opening parenthesis|left parenthesis|opening round bracket", ")": "closing parenthesis|right parenthesis",
    "[": "opening square bracket|left square bracket", "]": "closing square bracket|right square bracket",
    "<": "opening angle bracket|left angle bracket", ">": "closing angle bracket|right angle bracket",
    "<<": "double opening angle bracket", ">>": "double closing angle bracket", "=": "equals sign|equality sign",
    "()": "empty pair of parentheses", "[]": "empty pair of square brackets", "<>": "empty pair of angle brackets",
}  # fmt: skip
"""Marks of the suite's unseen family `brackets`; here never on both sides of something."""

_MARK_PLACES: tuple[tuple[str, Callable[[list[str], str], list[str]]], ...] = (
    ("at the beginning", lambda w, mark: [mark + w[0], *w[1:]]),
    ("after the first word", lambda w, mark: [w[0] + mark, *w[1:]]),
    ("at the end", lambda w, mark: [*w[:-1], w[-1] + mark]),
    ("before the last word", lambda w, mark: [*w[:-1], mark + w[-1]]),
    ("before the second word", lambda w, mark: [w[0], mark + w[1], *w[2:]]),
    ("after the second word", lambda w, mark: [w[0], w[1] + mark, *w[2:]]),
    ("in place of each space", lambda w, mark: [mark.join(w)]),
    ("after a space at the end", lambda w, mark: [*w, mark]),
    ("after every word", lambda w, mark: [word + mark for word in w]),
)


def _marks(rng: random.Random, number: str) -> TaskSpec:
    """A mark that is known by its name is put somewhere in a text."""
    kind = "brackets" if rng.random() < 0.5 else "signs"
    mark, name = _sign(rng, _BRACKETS if kind == "brackets" else SIGNS)
    place, put = rng.choice(_MARK_PLACES)
    return TaskSpec(
        f"drawn_marks_{number}", f"drawn marks: {kind}", on_sentence(lambda text: " ".join(put(text.split(), mark))),
        (
            f"{{Put|Set|Write|Place}} {name} {place} of $text.",
            f"$copy $text with {name} {place}.",
            f"{capitalized(name)} {{belongs|goes|should stand}} {place}, $text stays.",
            f"{{Add|Insert}} {name} {place}{{ and change nothing else|}}.",
            f"{{Give|Return}} $text, with {name} {place}{{, please|}}.",
            f"{{We need|There has to be}} {name} {place}.",
            f"{{What would|Show how}} $text look like with {name} {place}{{?|}}",
            f"{{The answer is|You say}} $text, but {name} {{stands|is}} {place}.",
            f"{place.capitalize()}, {{write|put|add}} {name}.",
            f"{{Let|Have}} {name} {{be|stand}} {place}.",
        ),
    )  # fmt: skip


def _voices(rng: random.Random, number: str) -> TaskSpec:
    who, first, last = rng.choice(_WHO), _phrase(rng), _phrase(rng)
    if rng.random() < 0.5:
        return _voices_in_words(number, who, first, last, rng.choice((",", "!", ":", ".")), rng.choice((".", "!", "")))
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
        f"drawn_voices_{number}", "drawn voices", on_sentence(lambda text: f"{opening} {text}, {ending}"),
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
        mark, name = _sign(rng)
        mark = rng.choice((mark, f" {mark} "))
        called = f'{name}, "{mark}",'
    else:
        word = rng.choice(_WORDS)
        mark, called = f" {word} ", f'the word "{word}"'
    return TaskSpec(
        f"drawn_separators_{number}", "drawn separators", on_list(mark.join),
        (
            f"$write $list with {called} {{between them|in between|instead of commas}}.",
            f"{{Replace|Exchange}} {{every comma of the list|the commas between the words}} by {called} please.",
            f"{{Separate|Part}} $list by {called} and not by commas.",
            f"{{No commas|Not a single comma}}, but {called} {{should stand|goes}} between the words.",
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
    name = rng.choice(_WORDS).lower().replace(" ", "_")
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


# Extraction: what is asked for stands in a text of one of many kinds.


@dataclass(frozen=True)
class RecordKind:
    """Texts of one kind: their forms, and for each field what can stand there and what it is in other words."""

    forms: tuple[str, ...]
    fields: dict[str, tuple[Draw, str]]


RECORDS: dict[str, RecordKind] = {
    "parcel": RecordKind(
        ("Parcel {code}: {weight}, from {origin} to {target}, paid by {payer}.",
         "{payer} sends {code} ({weight}) from {origin}; it goes to {target}."),
        {"code": (between(1000, 9999, "PK{}"), "the tracking code"),
         "weight": (between(1, 40, "{} kg"), "how heavy it is"),
         "origin": (of(words.CITIES[:15]), "where it comes from"), "target": (of(words.CITIES[15:]), "where it goes"),
         "payer": (full_name, "who pays")}),
    "recipe": RecordKind(
        ("{dish} for {people} people: {flour} of flour, {minutes} minutes at {heat}.",
         "Bake the {dish} at {heat} for {minutes} minutes; {flour} of flour feed {people}."),
        {"dish": (of(("bread", "pizza", "apple pie", "cheese cake", "muffins", "onion tart", "biscuits")), "what is "
         "baked"),
         "people": (between(2, 12), "how many eat"), "flour": (between(1, 9, "{}00 g"), "how much flour it needs"),
         "minutes": (between(11, 59), "how long it takes"), "heat": (between(150, 250, "{} degrees"), "how hot the "
         "oven is")}),
    "flight": RecordKind(
        ("Flight {flight} to {goal} leaves from gate {gate}, seat {seat}.",
         "Your seat is {seat}: board {flight} at gate {gate}, it flies to {goal}."),
        {"flight": (between(100, 999, "LX{}"), "which flight it is"), "goal": (of(words.CITIES), "the destination"),
         "gate": (lambda r: f"{r.choice('ABCD')}{r.randint(1, 40)}", "where to board"),
         "seat": (lambda r: f"{r.randint(1, 40)}{r.choice('ABCDEF')}", "where to sit")}),
    "pet": RecordKind(
        ("{pet} is a {years}-year-old {colour} {animal} that eats {food}; it belongs to {owner}.",
         "{owner} has a {colour} {animal}, {pet}, {years} years old, which loves {food}."),
        {"pet": (of(("Rex", "Bella", "Milo", "Luna", "Coco", "Max", "Daisy", "Oscar")), "what the pet is called"),
         "years": (between(1, 18), "its age in years"), "colour": (of(words.COLOURS), "its colour"),
         "animal": (of(words.KINDS["animal"]), "which animal it is"),
         "food": (of(("fish", "carrots", "rice", "chicken", "cheese", "corn")), "its favourite food"),
         "owner": (full_name, "whose pet it is")}),
    "house": RecordKind(
        ("House in {town}: {rooms} rooms, {area}, built in {built}, {price}.",
         "For {price} you get {rooms} rooms and {area} in {town}; the house is from {built}."),
        {"town": (of(words.CITIES), "in which town it stands"), "rooms": (between(2, 9), "how many rooms it has"),
         "area": (between(50, 300, "{} square metres"), "how large it is"),
         "built": (between(1900, 2020), "when it was built"),
         "price": (between(100, 900, "{},000 euros"), "how much it costs")}),
    "match": RecordKind(
        ("{home} beat {guest} {score} in {place}; {scorer} scored in minute {minute}.",
         "{place}: {home} against {guest} ended {score}. {scorer} hit in minute {minute}."),
        {"home": (of(("Rovers", "United", "Dynamo", "Athletic")), "the winning team"),
         "guest": (of(("Wanderers", "City", "Olympic", "Rangers")), "the losing team"),
         "score": (lambda r: f"{r.randint(3, 6)}:{r.randint(0, 2)}", "the result"),
         "place": (of(words.CITIES), "where they played"), "scorer": (of(words.LAST_NAMES), "the goal scorer"),
         "minute": (between(1, 90), "the minute of the goal")}),
    "car": RecordKind(
        ("{colour} {make}, {km} driven, {power}, plate {plate}.",
         "Plate {plate}: the {make} in {colour} has {power} and ran {km}."),
        {"colour": (of(words.COLOURS), "what colour it has"),
         "make": (of(("Toyota", "Fiat", "Volvo", "Skoda", "Honda", "Mazda", "Opel")), "who made the car"),
         "km": (between(10, 200, "{},000 km"), "how far it was driven"),
         "power": (between(60, 300, "{} horsepower"), "how strong its motor is"),
         "plate": (lambda r: f"{r.choice('ABKMZ')}{r.choice('XYTR')} {r.randint(100, 999)}", "its number plate")}),
    "book": RecordKind(
        ('"{title}" by {author}, {pages} pages, shelf {shelf}, lent to {reader}.',
         'Shelf {shelf}: {author}, "{title}" ({pages} pages). {reader} has it now.'),
        {"title": (lambda r: f"The {r.choice(words.COLOURS).title()} {r.choice(words.ITEMS).title()}", "what the book "
         "is called"),
         "author": (full_name, "who wrote the book"), "pages": (between(90, 900), "how thick the book is"),
         "shelf": (lambda r: f"{r.choice('EFGH')}-{r.randint(1, 60)}", "where the book stands"),
         "reader": (of(words.FIRST_NAMES), "who borrowed it")}),
    "support": RecordKind(
        ("Ticket {ticket}: the {device} of {customer} shows error {error} since {since}.",
         "{customer} says that since {since} the {device} fails with {error}, see ticket {ticket}."),
        {"ticket": (between(100, 999, "T-{}"), "the number of the ticket"),
         "device": (of(("printer", "laptop", "router", "scanner", "tablet", "screen")), "what is broken"),
         "customer": (full_name, "who complains"), "error": (between(10, 99, "E{}"), "the error code"),
         "since": (of(words.DAYS), "since when it fails")}),
    "account": RecordKind(
        ("User {user}, password {password}, plan {plan}, city {home}.",
         "{user} from {home} is on the {plan} plan and has the password {password}."),
        {"user": (lambda r: f"{r.choice(words.COLOURS)}_{r.choice(words.KINDS['animal'])}", "the login name"),
         "password": (lambda r: f"{r.choice(words.ITEMS)}{r.randint(10, 99)}", "the secret word"),
         "plan": (of(("basic", "gold", "family", "student")), "which plan is paid for"),
         "home": (of(words.CITIES), "where the user lives")}),
}  # fmt: skip

_SHAPES: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("", lambda field, value: value),
    ("", lambda field, value: value),
    ("in capital letters", lambda field, value: value.upper()),
    ('as a line "FIELD: ..."', lambda field, value: f"{field}: {value}"),
    ('as JSON with the key "FIELD"', lambda field, value: json.dumps({field: value})),
    ("in double quotes", lambda field, value: f'"{value}"'),
)


def _extraction(rng: random.Random, number: str) -> TaskSpec:
    kind, record = rng.choice(list(RECORDS.items()))
    field, (_, other) = rng.choice(list(record.fields.items()))
    called, shape = rng.choice(_SHAPES)
    how = f" {called.replace('FIELD', field)}" if called else ""

    def make(draw: random.Random) -> tuple[str, str]:
        values = {name: value(draw) for name, (value, _) in record.fields.items()}
        return draw.choice(record.forms).format(**values), shape(field, values[field])

    return TaskSpec(
        f"drawn_extraction_{number}", f"drawn extraction: {kind}", make,
        (
            f"$find $only the {field}{how} {{from|in|of}} {{the text|the {kind}|the note}}.",
            f"{{What|Which}} {field} {{is mentioned|is named|stands|is given}} in {{the text|the note}}? "
            f"{{Answer|Reply}} {how.strip() or 'briefly'}.",
            f"{{Tell me|Say}} {other}{how}.",
            f"{{I need|We want|I am looking for}} the {field}{how}.",
            f"{{I want to know|Can you see|Please find out}} {other}{how}.",
            f"The {field}{how}, {{please|that is all}}.",
            f"{{From|Out of}} the {kind}, {{take|copy}} the {field} {{and leave the rest|alone}}{how}.",
            f"{{Read|Go through}} the {{text|note}}: {{what does it say about|where is}} the {field}? "
            f"{{Write it|It is wanted}}{how or ' as it stands'}.",
            f"{{Somebody asks|The question is}} {other}: {{answer|reply}}{how or ' in short'}.",
            f"$write {other}{how}{{, nothing else|, and no more}}.",
        ),
    )  # fmt: skip


# Labels: one of two answers, which the description names.


def _number_that(test: Callable[[int], bool]) -> Callable[[random.Random, bool], str]:
    numbers = {so: [n for n in range(1, 100) if test(n) is so] for so in (True, False)}
    return lambda rng, so: str(rng.choice(numbers[so]))


def _word_of(kind: str) -> Callable[[random.Random, bool], str]:
    others = [word for name, group in words.KINDS.items() if name != kind for word in group]
    return lambda rng, so: rng.choice(words.KINDS[kind] if so else others)


def _opinion(rng: random.Random, so: bool) -> str:
    return rng.choice(words.PRAISE if so else words.BLAME).format(rng.choice(words.REVIEWED))


def _either(yes: tuple[str, ...], no: tuple[str, ...]) -> Callable[[random.Random, bool], str]:
    return lambda rng, so: rng.choice(yes if so else no)


_TESTS = (
    ("the review is positive", "the customer was content", "was the customer content", _opinion),
    ("the customer praises it", "the opinion is a good one", "does it sound satisfied", _opinion),
    *(
        (f"the word is a kind of {kind}", f"a {kind} is named", f"does it name a {kind}", _word_of(kind))
        for kind in words.KINDS
    ),
    ("the number is even", "it can be halved", "can it be halved", _number_that(lambda n: n % 2 == 0)),
    ("the number is above fifty", "it is more than fifty", "is it more than fifty", _number_that(lambda n: n > 50)),
    ("the number has two digits", "two digits stand there", "are there two digits", _number_that(lambda n: n > 9)),
    ("the word is a weekday", "a day is named", "is it a day of the week", _either(words.DAYS, words.MONTHS)),
    ("the word is a city", "a town is named", "is it a town", _either(words.CITIES, words.FIRST_NAMES)),
    ("the word is a colour", "a colour is named", "is it a colour", _either(words.COLOURS, words.ITEMS)),
    ("the word is a job", "somebody could work as this", "is it a profession", _either(words.JOBS, words.ITEMS)),
    ("the verb is in the past tense", "it is over", "is it said of the past",
     _either(tuple(words.PASTS.values()), tuple(words.PASTS))),
    ("the noun is plural", "it is more than one", "is it several of them",
     _either(tuple(words.PLURALS.values()), tuple(words.PLURALS))),
)  # fmt: skip
"""What can be tested, in three wordings, the last a question, and how an input is drawn that passes or does not."""

_LABELS = (
    "positive:negative good:bad up:down one:zero right:wrong green:red accept:reject hot:cold black:white in:out "
    "left:right A:B X:Y win:lose correct:incorrect great:awful sun:rain plus:minus yes:no yep:nope true_that:not_so "
    "certainly:never agree:disagree fair:unfair approve:disapprove legal:illegal buy:sell stay:go take:leave "
    "day:night cat:dog happy:angry open:closed 1:0 10:20 first:second gold:stone"
).split()
_LEFT_OUT = {"like", "dislike", "thumbs up", "thumbs down", "keep", "return", "pass", "fail", "true", "false"}
"""Labels of the suite's unseen family `votes`."""


def _tested(draw: Callable[[random.Random, bool], str], passes: str, fails: str) -> Make:
    """Makes an input that passes a test or does not, as often one as the other, and the answer for it."""

    def make(rng: random.Random) -> tuple[str, str]:
        so = rng.random() < 0.5
        return draw(rng, so), passes if so else fails

    return make


def _labels(rng: random.Random, number: str) -> TaskSpec:
    first, second, question, draw = rng.choice(_TESTS)
    if rng.random() < 0.5:
        good, bad = rng.choice(_LABELS).replace("_", " ").split(":")
    else:
        good, bad = rng.sample([word for word in _WORDS if word not in _LEFT_OUT], 2)
    if rng.random() < 0.2:
        good, bad = good.upper(), bad.upper()

    return TaskSpec(
        f"drawn_labels_{number}", "drawn labels", _tested(draw, good, bad),
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


def _questions(rng: random.Random, number: str) -> TaskSpec:
    """Yes or no, written in one of several ways."""
    first, second, question, draw = rng.choice(_TESTS)
    yes, no = rng.choice((("yes", "no"), ("Yes", "No"), ("Yes.", "No."), ("YES", "NO"), ("yes!", "no!"), ("y", "n")))
    plain = (yes, no) == ("yes", "no")
    told = "" if plain else f' {{Write|Say}} "{yes}" or "{no}".'
    either = "{yes or no|no or yes}" if plain else f'{{"{yes}" or "{no}"|"{no}" or "{yes}"}}'

    return TaskSpec(
        f"drawn_questions_{number}", "drawn questions", _tested(draw, yes, no),
        (
            f"$decide {{whether|if}} {first}. {{Answer|Reply}} {either}.",
            f"{question.capitalize()}?{told} {{No other word|Nothing more}}.",
            f"{{Is it so that|Is it true that|Would you say that}} {second}?{told}",
            f"{either.capitalize()}: {question}?",
            f"{{We ask|The question is}} {{whether|if}} {second}; {{the answer is|say}} {either}.",
            f"{{Find out|Tell us}} {{whether|if}} {first}, {{by|with}} {either}.",
            f"{{It is|The answer is}} {either}, {{depending on whether|as}} {second} or not.",
            f"{{To be answered with|An answer of}} {either}: {question}?",
        ),
        (yes, no),
    )  # fmt: skip


def _topics(rng: random.Random, number: str) -> TaskSpec:
    """Two or three topics, or kinds of things, with answers of their own."""
    of_texts = rng.random() < 0.5
    groups = words.TOPICS if of_texts else words.KINDS
    chosen = rng.sample(list(groups), rng.choice((2, 3)))
    if rng.random() < 0.5:
        labels = dict(zip(chosen, chosen, strict=True))
        rules = f"{', '.join(chosen[:-1])} or {chosen[-1]}"
    else:
        labels = dict(zip(chosen, rng.sample(_WORDS, len(chosen)), strict=True))
        rules = ", ".join(f'"{labels[name]}" for {name}' for name in chosen)

    def make(draw: random.Random) -> tuple[str, str]:
        name = draw.choice(chosen)
        return draw.choice(groups[name]).format(draw.choice(words.FIRST_NAMES)), labels[name]

    what = "the topic" if of_texts else "the kind of thing"
    return TaskSpec(
        f"drawn_topics_{number}", "drawn topics", make,
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


# Forms: something with a structure is written in another form, or a part of it.


@dataclass(frozen=True)
class Structure:
    """Values that stand in a fixed form: how to draw them, how the input shows them, and forms to write them in.

    Attributes:
        draw: the values.
        shown: how the input has them, by their numbers.
        forms: how an answer has them, and what that is called.
    """

    draw: Callable[[random.Random], tuple[str, ...]]
    shown: str
    forms: tuple[tuple[str, str], ...]


def _drawn(*values: Draw) -> Callable[[random.Random], tuple[str, ...]]:
    return lambda rng: tuple(value(rng) for value in values)


def _clock(rng: random.Random) -> tuple[str, ...]:
    hour = rng.randint(1, 11)
    return str(hour), str(rng.randint(10, 59)), str(hour + 12)


STRUCTURES: dict[str, Structure] = {
    "name": Structure(
        _drawn(of(words.FIRST_NAMES), of(words.LAST_NAMES)),
        "{0} {1}",
        (
            ("{1}, {0}", "surname first, then a comma and the first name"),
            ("{0}", "the first name alone"),
            ("{1}", "the family name alone"),
            ("{0[0]}. {1}", "the initial of the first name, then the surname"),
            ("{0[0]}.{1[0]}.", "the two initials, each with a dot"),
            ("Mr {1}", "Mr and the family name"),
            ("{1} {0}", "the two names in reverse order"),
        ),
    ),
    "clock time": Structure(
        _clock,
        "{2}:{1}",
        (
            ("{0}:{1} pm", "the twelve-hour clock with pm"),
            ("{2}", "the hour alone"),
            ("{1}", "the minutes alone"),
            ("{2}h{1}", "hours and minutes with an h between"),
            ("{2}.{1}", "with a dot in place of the colon"),
            ("{2}{1} hours", "four digits and the word hours"),
        ),
    ),
    "file name": Structure(
        _drawn(of(words.ITEMS), of(words.COLOURS), of(("txt", "pdf", "jpg", "csv", "html"))),
        "{0}_{1}.{2}",
        (
            ("{2}", "the extension alone"),
            ("{0}_{1}", "the name without its extension"),
            ("{0}-{1}.{2}", "with a hyphen in place of the underscore"),
            ("{1}", "what stands after the underscore"),
            ("{0} {1}", "the two words, without extension"),
            ("{1}_{0}.{2}", "the two words exchanged"),
        ),
    ),
    "size": Structure(
        _drawn(between(10, 99), between(10, 99), of(("cm", "mm", "m", "km"))),
        "{0} x {1} {2}",
        (
            ("{0}", "the first number alone"),
            ("{1}", "the second number alone"),
            ("{2}", "the unit alone"),
            ("{0} {2} by {1} {2}", "both numbers with their units and by between"),
            ("{1} x {0} {2}", "the two numbers exchanged"),
            ("{0}x{1}{2}", "without any space"),
        ),
    ),
    "price": Structure(
        _drawn(between(1, 99), between(10, 99)),
        "{0}.{1} dollars",
        (
            ("${0}.{1}", "with a dollar sign in front"),
            ("{0}", "the whole dollars alone"),
            ("{1}", "the cents alone"),
            ("{0},{1} USD", "with a comma and USD"),
            ("{0} dollars and {1} cents", "dollars and cents in words"),
        ),
    ),
    "address": Structure(
        lambda rng: (*rng.choice(list(words.CAPITALS.items())), str(rng.randint(1000, 9999))),
        "{2} {1}, {0}",
        (
            ("{1}", "the city alone"),
            ("{0}", "the country alone"),
            ("{2}", "the postal code alone"),
            ("{0}: {1}", "the country, a colon and the city"),
            ("{1} in {0}", "the city, the word in and the country"),
            ("{1} {2}", "the city and then the code"),
        ),
    ),
    "result": Structure(
        _drawn(of(words.CITIES), of(words.LAST_NAMES), between(0, 9), between(0, 9)),
        "{0} - {1} {2}:{3}",
        (
            ("{2}:{3}", "the score alone"),
            ("{0}", "the first team"),
            ("{1}", "the second team"),
            ("{2}", "the goals of the first"),
            ("{0} {2}, {1} {3}", "each team with its goals"),
            ("{0} vs {1}", "the teams alone with vs between"),
        ),
    ),
    "version": Structure(
        _drawn(between(0, 20), between(0, 20), between(0, 20)),
        "v{0}.{1}.{2}",
        (
            ("{0}", "the major number alone"),
            ("{0}.{1}", "the first two numbers with a dot"),
            ("{0}.{1}.{2}", "without the v"),
            ("{0}-{1}-{2}", "the three numbers with hyphens"),
            ("{2}", "the last number alone"),
            ("version {0}", "the word version and the first number"),
        ),
    ),
}


def _forms(rng: random.Random, number: str) -> TaskSpec:
    kind, structure = rng.choice(list(STRUCTURES.items()))
    form, how = rng.choice(structure.forms)
    opening, ending, also = "", "", ""
    if rng.random() < 0.4:
        opening, ending = rng.choice((("= ", ""), ("-> ", ""), ("", "!"), ('"', '"')))
        also = f", like {opening}this{ending}"

    def make(instance: random.Random) -> tuple[str, str]:
        values = structure.draw(instance)
        return structure.shown.format(*values), f"{opening}{form.format(*values)}{ending}"

    example = f"{opening}{form.format(*structure.draw(rng))}{ending}"
    return TaskSpec(
        f"drawn_forms_{number}", "drawn forms", make,
        (
            f"{{Write|Give|Rewrite}} the {kind} as {how}{also}.",
            f"{{Convert|Change}} the {{{kind}|given {kind}}}: it should be {how}{also}.",
            f"Of the {kind}{{ you get|}}, {{we want|I need}} {how}{also}.",
            f"{capitalized(how)}{also}, that is {{all we want|what to make}} of the {kind}.",
            f"{{You get|There comes}} a {kind}. {{Return|Answer|Show}} {how}{also}.",
            f"{{How does|Show how}} the {kind} look {how}{also}?",
            f"{{We like|Here we write}} a {kind} so: {how}{also}.",
            f"{{From|Out of}} the {kind}, {{make|get}} {how}{also}.",
            f"{{Please reformat|Transform|Translate}} the {kind}: {how}{also}.",
            f"{{Write|Put|Give}} the {kind} {{as|the way}} {example} is written.",
            f"{{Like|In the manner of}} {example}, {{that is how|so}} the {kind} should look: {how}.",
            f"{{For example|For instance}} {example}: the {kind} {{becomes|is to be}} {how}.",
            f"{{Put|Bring}} the {kind} in another form: {how}{also}.",
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
    _wrapping, _extraction, _affixes, _labels, _voices, fields_task, _marks, _separators, _forms, _frames, _topics,
    _constants, fields_task, _exchanges, _questions, _compositions, parts_task, _wrapping, _picks, _extraction, _code,
    fields_task, _forms, _voices, parts_task,
)  # fmt: skip
