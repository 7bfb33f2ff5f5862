"""Tasks that rewrite sentences in another style."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawInstance, TaskSpec, form_templates
from lorify.data.text import capitalize_first

_VERBS = ("open", "close", "bring", "clean", "move", "hide", "paint")


def rewriting_tasks() -> list[TaskSpec]:
    """Build tasks that rewrite a request or a statement in another style."""
    rows = [
        ("polite", _on_request(lambda t: f"Could you please {t}?"), "a polite request with could you please",
         "courteous"),
        ("rude", _on_request(lambda t: f"Just {t} now!"), 'an impatient order with "Just" and "now!"', "impatient"),
        ("forbidden", _on_request(lambda t: f"Do not {t}."), "a prohibition with do not", "a ban"),
        ("suggested", _on_request(lambda t: f"Let us {t}."), "a suggestion with let us",
         "a proposal to do it together"),
        ("formal", _on_request(lambda t: f"You are kindly requested to {t}."), 'a formal "You are kindly requested to"',
         "very formal"),
        ("wish", _on_request(lambda t: f"I want you to {t}."), "a wish with I want you to", "a personal wish"),
        ("hearsay", _on_statement(lambda s, v, o: f"I heard that {s} {v} the {o}."), "hearsay with I heard that",
         "a rumour"),
        ("doubt", _on_statement(lambda s, v, o: f"Maybe {s} {v} the {o}."), "a guess with maybe", "uncertain"),
        ("adjective", _on_statement(lambda s, v, o: f"{s} {v} the old {o}."), "the same with old before the noun",
         "about something old"),
        ("passive", _on_statement(lambda s, v, o: f"It is {s} who {v} the {o}."),
         "the same with stress on the person, it is ... who", "about who it is"),
        ("anonymous", _on_statement(lambda _s, v, o: f"Somebody {v} the {o}."),
         "the same without the name, with somebody", "anonymous"),
    ]  # fmt: skip
    return [
        TaskSpec(f"rewriting_{name}", "rewriting", draw_instance,
                 (f"{{Rewrite|Rephrase|Reword}} $text as {style}.", f"{{Make|Turn}} $text into {style}.",
                  *form_templates("$text", f"as {style}"),
                  f"{{Change|Adapt}} the {{style|tone}} of $text: it should be {paraphrase}."))
        for name, draw_instance, style, paraphrase in rows
    ]  # fmt: skip


def _on_request(change: Callable[[str], str]) -> DrawInstance:
    """Build instances of an imperative, and the result of `change` for it, without its capital and full stop."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        text = f"{rng.choice(_VERBS)} the {rng.choice(words.ITEMS)}"
        return f"{capitalize_first(text)}.", change(text)

    return draw_instance


def _on_statement(change: Callable[[str, str, str], str]) -> DrawInstance:
    """Build instances of a statement, and the result of `change` for its subject, verb and object."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        subject, verb, noun = rng.choice(words.FIRST_NAMES), rng.choice(words.VERBS), rng.choice(words.SUBJECTS)
        return f"{subject} {verb} the {noun}.", change(subject, verb, noun)

    return draw_instance
