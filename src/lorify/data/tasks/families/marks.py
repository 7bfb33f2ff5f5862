"""Drawn families about marks that are known by their names: put somewhere, taken away, exchanged, named.

Brackets of the suite's unseen family stand on both sides of something in inputs, but never in answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from lorify.data.tasks import words
from lorify.data.tasks.wording import T, TaskSpec, capitalized, on_sentence, one_of

SIGNS = {
    "*": "asterisk|star", "_": "underscore", "~": "tilde", "#": "hash sign|pound key", "|": "vertical bar|pipe sign",
    "%": "percent sign", "+": "plus sign", "^": "caret", "@": "at sign", "&": "ampersand|and sign",
    "!": "exclamation mark", "?": "question mark", ":": "colon", ";": "semicolon", "/": "slash|forward slash",
    "-": "hyphen", ".": "dot|full stop", "'": "single quote|apostrophe", '"': "double quotation mark|double quote",
    "`": "backtick", "\\": "backslash", "…": "ellipsis", "•": "bullet|bullet point", "§": "section sign",
    "€": "euro sign", "£": "pound sign", "°": "degree sign", "$": "dollar sign", ",": "comma", "—": "long dash",
    "×": "multiplication sign", "¬": "negation sign", "©": "copyright sign", "µ": "micro sign",
}  # fmt: skip
_NUMERALS = {1: "one", 2: "two", 3: "three"}

PAIRS = {
    ("{", "}"): "curly braces|curly brackets", ("«", "»"): "guillemets|French quotation marks",
    ("“", "”"): "curly quotation marks|typographic quotes",
    ("/", "\\"): "a slash before and a backslash after it", ("->", "<-"): "arrows that point at it",
    ("{{", "}}"): "double curly braces|two pairs of curly braces", ("»", "«"): "guillemets that point at it",
    ("‹", "›"): "single guillemets|single French quotes", ("¿", "?"): "Spanish question marks",
    ("¡", "!"): "Spanish exclamation marks", ("/*", "*/"): "the marks of a C comment",
    ("„", "“"): "German quotation marks",
    ("‘", "’"): "curly single quotes|typographic single quotes", ("}", "{"): "curly braces the wrong way round",
    ("{ ", " }"): "curly braces with a space on the inside", ("${", "}"): "a dollar sign and curly braces",
    ("**", "**"): "double stars|pairs of asterisks", ("__", "__"): "double underscores|pairs of underscores",
    ("~~", "~~"): "double tildes|strikethrough tildes", ("'''", "'''"): "triple single quotes",
    ('"""', '"""'): "triple double quotes", ("```", "```"): "triple backticks|a code fence",
    ("::", "::"): "double colons|pairs of colons", ("||", "||"): "double bars|pairs of vertical bars",
    ("##", "##"): "double hash signs|pairs of hash signs", ("--", "--"): "double hyphens|pairs of hyphens",
}  # fmt: skip
"""What stands before and after something, and what it is called; each also between or outside of signs."""

_BRACKETS = {
    "(": "opening parenthesis|left parenthesis|opening round bracket", ")": "closing parenthesis|right parenthesis",
    "[": "opening square bracket|left square bracket", "]": "closing square bracket|right square bracket",
    "<": "opening angle bracket|left angle bracket", ">": "closing angle bracket|right angle bracket",
    "<<": "double opening angle bracket", ">>": "double closing angle bracket", "=": "equals sign|equality sign",
}  # fmt: skip
"""Marks of the suite's unseen family `brackets`; in answers never on both sides of something."""

_BRACKET_PAIRS = {
    ("(", ")"): "parentheses|round brackets", ("[", "]"): "square brackets|box brackets",
    ("<", ">"): "angle brackets|pointed brackets", ("<<", ">>"): "double angle brackets",
    ("=", "="): "equals signs|equality signs",
}  # fmt: skip


def named(rng: random.Random, marks: Mapping[T, str]) -> tuple[T, str]:
    """One of some marks and one of its names."""
    mark, names = rng.choice(list(marks.items()))
    return mark, rng.choice(names.split("|"))


def sign(rng: random.Random, signs: Mapping[str, str] = SIGNS) -> tuple[str, str]:
    """A sign, one to three times, and what it is called."""
    (mark, name), times = named(rng, signs), rng.choice((1, 1, 2, 3))
    return mark * times, f"{_NUMERALS[times]} {name if times == 1 else plural(name)}"


def plural(name: str) -> str:
    """Several of a sign."""
    if name.endswith("sis"):
        return f"{name[:-2]}es"
    return f"{name}{'es' if name[-1] == 'h' else 's'}"


def enclosing(rng: random.Random, *, brackets: bool) -> tuple[str, str, str]:
    """Marks for both sides of something, and what they are called together; with or without those not in answers."""
    kind = rng.random()
    if brackets and kind < 0.5:
        (left, right), name = named(rng, _BRACKET_PAIRS)
    elif kind < 0.75:
        mark, name = named(rng, SIGNS)
        left, right, name = mark, mark, plural(name)
    else:
        (left, right), name = named(rng, PAIRS)
    return left, right, name


_PLACES: tuple[tuple[str, Callable[[list[str], str], list[str]]], ...] = (
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


def marks_task(rng: random.Random, number: str) -> TaskSpec:
    """A mark is put somewhere in a text."""
    kind = "brackets" if rng.random() < 0.5 else "signs"
    mark, name = sign(rng, _BRACKETS if kind == "brackets" else SIGNS)
    place, put = rng.choice(_PLACES)
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


def _others(rng: random.Random, left: str, right: str) -> tuple[str, str, str]:
    """Marks that may stand in answers and share no sign with those given."""
    while set((found := enclosing(rng, brackets=False))[0] + found[1]) & set(left + right):
        pass
    return found


_WORD_PLACES = {"first": 0, "second": 1, "third": 2, "last": -1}


def word_wrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """One word of a text is put between marks."""
    left, right, name = enclosing(rng, brackets=True)
    place, index = rng.choice(list(_WORD_PLACES.items()))

    def change(text: str) -> str:
        parts = text.split()
        parts[index] = f"{left}{parts[index]}{right}"
        return " ".join(parts)

    return TaskSpec(
        f"drawn_word_wrapping_{number}", "drawn marks: around a word", on_sentence(change),
        (
            f"{{Put|Set|Write|Place}} the {place} word of $text in {name}.",
            f"$copy $text with {name} around the {place} word.",
            f"{{Surround|Enclose|Wrap|Frame}} the {place} word {{with|by|in}} {name}.",
            f"{capitalized(name)} {{belong|go|should stand}} around the {place} word.",
            f"The {place} word {{needs|gets|has to be in}} {name}, {{the rest stays|leave the others}}.",
            f"{{Add|We need}} {name} {{on both sides of|around}} the {place} word.",
            f"{{How does|Show how}} $text look with its {place} word in {name}{{?|}}",
            f"{{Only|Just}} the {place} word {{stands|goes}} between {name}.",
            f"{{The answer is|You say}} $text, but its {place} word is in {name}.",
        ),
    )  # fmt: skip


def unwrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """What stands around a text is taken away; other marks that stand there, too, stay."""
    left, right, name = enclosing(rng, brackets=True)
    before, after, kept = _others(rng, left, right)
    layers = rng.choice(("alone", "inside", "outside"))

    def make(draw: random.Random) -> tuple[str, str]:
        text = words.make_sentence(draw)
        if layers == "alone":
            return f"{left}{text}{right}", text
        answer = f"{before}{text}{after}"
        return (f"{before}{left}{text}{right}{after}" if layers == "inside" else f"{left}{answer}{right}"), answer

    rest = "what is inside" if layers == "alone" else f"the {kept}" if before == after else "the other marks"
    return TaskSpec(
        f"drawn_unwrapping_{number}", "drawn marks: taken away", make,
        (
            f"{{Remove|Take away|Delete}} the {name} {{from|of}} $text.",
            f"$copy $text without {{the|its}} {name}.",
            f"{{Strip|Free}} $text of {name}{{ and keep {rest}|}}.",
            f"The {name} {{have to go|are to be left out}}, {rest} {{stays|is kept}}.",
            f"{{Leave out|Drop}} {{the|all}} {name}.",
            f"{{There are|You see}} {name} around it. {{Answer|Reply}} without them.",
            f"{{What is left|What remains}} {{if|when}} the {name} are taken off?",
            f"{{No|Without}} {name}, please, {{only|but}} {rest}.",
            f"{{The answer is|We want}} $text with the {name} {{removed|gone}}.",
        ),
    )  # fmt: skip


def rewrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """What stands around a text is exchanged for other marks."""
    left, right, name = enclosing(rng, brackets=True)
    before, after, new = _others(rng, left, right)

    def make(draw: random.Random) -> tuple[str, str]:
        text = words.make_sentence(draw)
        return f"{left}{text}{right}", f"{before}{text}{after}"

    return TaskSpec(
        f"drawn_rewrapping_{number}", "drawn marks: exchanged", make,
        (
            f"{{Replace|Exchange}} the {name} {{by|with|for}} {new}.",
            f"{{Turn|Change|Convert}} the {name} into {new}.",
            f"{capitalized(new)} {{in place of|instead of}} the {name}.",
            f"$copy $text with {new} {{where the {name} are|and without the {name}}}.",
            f"{{What was in|Take what stands in}} {name} {{goes|comes}} {{in|into}} {new}.",
            f"{{Do not use|No}} {name}{{ any more|}}, {{use|but}} {new}.",
            f"{{Where there are|Instead of}} {name}, {{write|we want}} {new}.",
            f"$text has {name}; {{give|show}} it {{in|with}} {new}.",
            f"{{The answer is|You say}} {{what is inside of|the words between}} the {name}, in {new}.",
        ),
    )  # fmt: skip


def inside_task(rng: random.Random, number: str) -> TaskSpec:
    """One or two words of a text stand in marks; those in certain ones are wanted."""
    left, right, name = enclosing(rng, brackets=True)
    other_left, other_right, _ = enclosing(rng, brackets=True)
    misleads = (other_left, other_right) != (left, right) and rng.random() < 0.7

    def make(draw: random.Random) -> tuple[str, str]:
        parts = words.make_sentence(draw).split()
        wanted, other = draw.sample(range(len(parts)), 2)
        answer = parts[wanted]
        parts[wanted] = f"{left}{answer}{right}"
        if misleads:
            parts[other] = f"{other_left}{parts[other]}{other_right}"
        return " ".join(parts), answer

    return TaskSpec(
        f"drawn_inside_{number}", "drawn marks: inside", make,
        (
            f"$find {{what is|the word}} in {name}.",
            f"{{Which|What}} word {{stands|is}} {{in|between}} {name}?",
            f"$write {{what|the word that}} the {name} {{enclose|hold}}.",
            f"{{We want|I need}} the word {{in|inside}} the {name}, {{without them|nothing else}}.",
            f"{{Look for|Go to}} the {name}: {{what do they hold|what is inside}}?",
            f"{{A word is|One word stands}} in {name}. {{Say|Give}} it.",
            f"{capitalized(name)} {{mark|surround}} the answer.",
            f"{{Between|Inside}} the {name} {{stands|is}} {{what we want|the answer}}.",
            f"{{Ignore|Leave}} all but what is in {name}.",
        ),
    )  # fmt: skip


def naming_task(rng: random.Random, number: str) -> TaskSpec:
    """Which of a few marks stand around a text."""
    known: dict[tuple[str, str], str] = {}
    while len(known) < 3:
        left, right, name = enclosing(rng, brackets=True)
        known.setdefault((left, right), name)
    listed = list(known.values())
    rules = one_of(listed)

    def make(draw: random.Random) -> tuple[str, str]:
        (left, right), name = draw.choice(list(known.items()))
        return f"{left}{words.make_sentence(draw)}{right}", name

    return TaskSpec(
        f"drawn_naming_{number}", "drawn marks: named", make,
        (
            f"{{What|Which marks}} {{stands|are}} around $text: {rules}?",
            f"{{Name|Tell|Say}} what encloses $text, {rules}.",
            f"{{Is|Do you see}} it in {rules}?",
            f"{capitalized(rules)}: which {{are there|do you find}}?",
            f"{{Look at|See}} both ends of $text and {{name|write}} the marks, {rules}.",
            f"{{The answer is|You say}} {rules}, whichever {{surround|enclose}} $text.",
            f"{{Sort|Classify}} $text by its marks: {rules}.",
            f"{{What kind of|Which}} marks {{begin and end|frame}} $text? {{Choose|Pick}} from {rules}.",
        ),
        tuple(listed),
    )  # fmt: skip
