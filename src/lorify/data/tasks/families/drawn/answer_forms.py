"""Forms in which a description can request the value of a field, and templates of such descriptions."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from lorify.data.text import capitalize_first


@dataclass(frozen=True)
class AnswerForm:
    """A form of an answer.

    Attributes:
        description: how a description requests it, with NAME for the field; empty for the plain value.
        write: field name and value -> answer.
    """

    description: str
    write: Callable[[str, str], str]

    def request(self, name: str) -> str:
        """Return the description for a field, preceded by a space; empty for the plain value."""
        return " " + self.description.replace("NAME", name) if self.description else ""


PLAIN = AnswerForm("", lambda _name, value: value)
CAPITAL_LETTERS = AnswerForm("in capital letters", lambda _name, value: value.upper())
JSON_OBJECT = AnswerForm('as JSON with the key "NAME"', lambda name, value: json.dumps({name: value}))

ANSWER_FORMS = (
    *(PLAIN,) * 5,
    CAPITAL_LETTERS,
    AnswerForm('as "NAME: ..."', lambda name, value: f"{name}: {value}"),
    AnswerForm('as "NAME=..."', lambda name, value: f"{name}={value}"),
    JSON_OBJECT,
    AnswerForm("with an exclamation mark", lambda _name, value: f"{value}!"),
    AnswerForm("in single quotes", lambda _name, value: f"'{value}'"),
    AnswerForm("twice, with a comma", lambda _name, value: f"{value}, {value}"),
)
"""Forms to draw from; the plain one is the most frequent."""


def draw_answer_form(rng: random.Random) -> AnswerForm:
    """Draw the form of a task's answers."""
    return rng.choice(ANSWER_FORMS)


def field_templates(text: str, name: str, paraphrases: tuple[str, str], form: str) -> tuple[str, ...]:
    """Build templates that request a field of a text.

    Args:
        text: noun for the text, such as `note`.
        name: the field's name with its article.
        paraphrases: two other ways to request the field.
        form: description of the answer's form, preceded by a space; empty for the plain value.
    """
    other, another = paraphrases
    return (
        f"$find $only {name}{form} {{from|in|of}} {{the {text}|what you read}}.",
        f"{{What|Which}} is {name} in the {text}? {{Answer|Reply}} {form.strip() or 'with nothing else'}.",
        f"{{Tell me|Say}} {other}{form}.",
        f"{{Read the {text} and give|From the {text}, take|Look for}} {name}{form}.",
        f"{capitalize_first(name)}, {{please|nothing more}}{',' if form else ''}{form}.",
        f"{{I need|We want|I am looking for}} {name}{form}.",
        f"{{I want to know|Can you see|Please find out}} {other}{form}.",
        f"{{From|Out of}} the {text}, {{copy|pick}} {name} {{and leave the rest|alone}}{form}.",
        f"{{Go through|Study}} the {text}: {{what does it say about|where is}} {name}? {{Write it|It is wanted}}"
        f"{form or ' as it stands'}.",
        f"{{Somebody asks|The question is}} {other}: {{answer|reply}}{form or ' in short'}.",
        f"{{Which words of|What in}} the {text} {{tell|says}} {other}? {{Give them|Show it}}{form}.",
        f"{{Do you find|Can you tell me|Do you know}} {another}{form}?",
        f"{{If|When}} somebody asks you {another}, {{what do you say|what is the answer}}{form}?",
        f"{capitalize_first(another)}: {{write|give|that is wanted}}{form}.",
        f"{{The answer is|You say}} {another}{form}.",
        f"$write {{only|just}} {another}{form}.",
        f"$write {other}{form}{{, nothing else|, and no more|}}.",
    )
