"""Wordings of generated tasks: templates with alternatives become many descriptions, some kept for measuring."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lorify.data.tasks.words import make_list, make_sentence

Make = Callable[[random.Random], tuple[str, str]]
"""Makes an input and its answer."""

DrawTested = Callable[[random.Random, bool], str]
"""Draws an input of which something is true, or not."""

T = TypeVar("T")

NUM_SEEN = 12
NUM_UNSEEN = 4
"""Descriptions of a task to train on, and further ones from a template of their own."""

FRAMELESS = 0.6
"""Share of the descriptions of drawn tasks that are left alone."""

_SHORTHANDS = {
    "$text": "{the text|the sentence|the input|what you are given|the words you get}",
    "$write": "{Write|Give|Return|Output|Reply with|Answer with}",
    "$copy": "{Repeat|Copy|Write out|Give back|Return}",
    "$decide": "{Decide|Say|Tell|Determine|Judge}",
    "$find": "{Find|Extract|Pick out|Give|Return}",
    "$list": "{the list|the words|the items|the series}",
    "$only": "{only|just|nothing but}",
}
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class TaskSpec:
    """A generated task.

    Attributes:
        name: unique name.
        family: tasks of one family are alike.
        make: makes an instance.
        templates: wordings; the last one is kept for unseen descriptions.
        choices: all possible answers, if they are few.
    """

    name: str
    family: str
    make: Make
    templates: tuple[str, ...]
    choices: tuple[str, ...] = ()


def asking_for(what: str) -> tuple[str, ...]:
    """Further wordings that ask for what a noun phrase says."""
    return (
        f"{{We need|I want|We are looking for}} {what}.",
        f"{capitalized(what)}, {{please|nothing else|that is all}}.",
        f"{{The answer is|What you say is|You say}} {what}.",
        f"{{Read|Look at}} {{the input|what comes}} and {{say|write|tell}} {what}.",
        f"{{Do you know|Can you tell|Would you find}} {what}?",
        f"{{Whatever comes|Each time}}, {{answer|reply}} with {what}.",
    )


def asking_for_form(subject: str, how: str) -> tuple[str, ...]:
    """Further wordings that ask for a subject in another form: `in capital letters`, `as a question`."""
    return (
        f"{{We need|I want}} {subject} {how}.",
        f"{{The answer is|You say}} {subject}, {{but|only}} {how}.",
        f"{subject} {how}, {{please|nothing else}}.",
        f"{{How does|Show how}} {subject} look {how}{{?|}}",
        f"{{What you get|The input|It}} {{should be|has to be}} {how}.",
        f"{{Bring|Put}} {subject} in another form: {how}.",
    )


def on_sentence(change: Callable[[str], str]) -> Make:
    """Makes a sentence, and what becomes of it."""

    def make(rng: random.Random) -> tuple[str, str]:
        text = make_sentence(rng)
        return text, change(text)

    return make


def on_list(change: Callable[[list[str]], str], low: int = 3, high: int = 5) -> Make:
    """Makes a list of `low` to `high` words, and what becomes of it."""

    def make(rng: random.Random) -> tuple[str, str]:
        items = make_list(rng, low, high)
        return ", ".join(items), change(items)

    return make


def tested(draw: DrawTested, passes: str, fails: str) -> Make:
    """Makes an input that passes a test or does not, as often one as the other, and the answer for it."""

    def make(rng: random.Random) -> tuple[str, str]:
        so = rng.random() < 0.5
        return draw(rng, so), passes if so else fails

    return make


def one_of(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def describe(spec: TaskSpec) -> tuple[str, ...]:
    """Descriptions of a task: `NUM_SEEN` in turn from all templates but the last, then `NUM_UNSEEN` from the last.

    The first one is of the first template; where there are more templates than descriptions, others are drawn.
    """
    rng = random.Random(f"descriptions/{spec.name}")
    first, *others, unseen = (_shuffled(expand(template), rng) for template in spec.templates)
    seen = [first, *_shuffled(others, random.Random(f"templates/{spec.name}"))]
    in_turn = [text for row in itertools.zip_longest(*seen) for text in row if text is not None]
    return tuple(dict.fromkeys(in_turn))[:NUM_SEEN] + tuple(unseen[:NUM_UNSEEN])


_FRAMES = (
    "Task: {}", "Your task: {}", "Instruction: {}", "Please note: {}", "For every input: {}", "What to do: {}",
    "Here is what to do. {}", "This is the job: {}", "Rule: {}", "We ask you this: {}", "An input follows. {}",
    "{} Thank you.", "{} Do so every time.", "{} No explanation.", "{} Do nothing else.", "{} That is all.",
    "{} Go ahead.", "{} Be exact.", "{} Do not comment.", "Follow this: {} Thanks.",
)  # fmt: skip


def framed(text: str, rng: random.Random) -> str:
    """A description as it is, or inside of what people say around one."""
    return text if rng.random() < FRAMELESS else rng.choice(_FRAMES).replace("{}", text)


def capitalized(text: str) -> str:
    """A text with its first letter big and all else as it is."""
    return text[0].upper() + text[1:]


def expand(template: str) -> list[str]:
    """All texts of a template with `{one|another}` alternatives and shorthands such as `$write`."""
    for shorthand, alternatives in _SHORTHANDS.items():
        template = template.replace(shorthand, alternatives)
    pieces = _ALTERNATIVES.split(template)  # literal, alternatives, literal, ...
    options: Sequence[list[str]] = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return [" ".join("".join(choice).split()) for choice in itertools.product(*options)]


def _shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    return rng.sample(items, len(items))


def reword(text: str, rng: random.Random) -> str:
    """A description in other words of the same meaning; what is quoted stays as it is, and so do marks."""
    quoted = _QUOTED.split(text)  # outside, quoted, outside, ...
    return "".join(piece if index % 2 else _reworded(piece, rng) for index, piece in enumerate(quoted))


def _reworded(text: str, rng: random.Random) -> str:
    def exchange(found: re.Match[str]) -> str:
        old = found[0]
        if rng.random() > EXCHANGED:
            return old
        new = rng.choice(_MEANING_THE_SAME[old.lower()])
        return capitalized(new) if old[0].isupper() else new

    def leave_out(found: re.Match[str]) -> str:
        return "" if rng.random() < LEFT_OUT else found[0]

    return _LEFT_OUT.sub(leave_out, _EXCHANGED.sub(exchange, text))


EXCHANGED = 0.5
LEFT_OUT = 0.15
"""Share of the words that can be exchanged, or left out, which are."""

_QUOTED = re.compile(r'("[^"]*")')

_ALIKE = (
    # what is exchanged | what it is exchanged for, too
    "the text,the sentence,the input,what you are given,the words you get | the phrase,the line,what is written,"
    "whatever comes,it,this,the given text,the content,what I say,my words,the string,what follows,the input text",
    "write,give,output,reply with,answer with | print,produce,provide,respond with,show,type,send,state,let me have",
    "repeat,copy,write out,give back | echo,reproduce,restate,say again,send back,render",
    "decide,determine,judge | work out,find out,figure out,assess,check,tell me",
    "find,extract,pick out | get,pull out,look up,identify,retrieve,fetch,take out,locate",
    "the list,the items,the series | the elements,the entries,the sequence,the terms,these,them",
    "only,just,nothing but | solely,merely,simply,no more than",
    "and change nothing else,change nothing else | and leave the rest,without other changes,no other change",
    "put,set,place | insert,have,add",
    "surround,wrap,enclose,frame | encase,fence in,embrace",
    "in front of,ahead of | before,preceding",
    "behind,at the end of | after,following",
    "begin,start,open | commence,lead off",
    "end,finish,close | conclude,stop,finish off",
    "instead of,in place of | rather than",
    "replace,exchange,swap | substitute,trade",
    "answer,reply | respond,say,react",
    "whether | if",
    "turn,convert,change | transform,make,rewrite",
    "use,take | employ,choose,go with",
    "every,each | any,all the",
    "is given,is mentioned,is named | appears,is said,comes up,occurs",
    "on both sides,around it | at both ends,left and right",
    "item | element",
    "no matter what,whatever comes,in every case | always,regardless,under all circumstances",
    "speak,talk | express yourself,sound,write",
    "imagine you are,you are,act as | pretend to be,play,be",
    "the answer,your answer | the reply,the result,what you say",
    "has to,must,should | needs to,ought to,shall",
)
_MEANING_THE_SAME = {
    old: tuple(filter(lambda new, old=old: new != old, (*left.strip().split(","), *right.strip().split(","))))
    for left, _, right in (group.partition("|") for group in _ALIKE)
    for old in left.strip().split(",")
}
_EXCHANGED = re.compile(
    rf"\b(?:{'|'.join(sorted(map(re.escape, _MEANING_THE_SAME), key=len, reverse=True))})\b", re.IGNORECASE
)
_LEFT_OUT = re.compile(r"\b(?:the|a|an|please)\b ?|\.$", re.IGNORECASE)
