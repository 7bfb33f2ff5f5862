"""Tasks that write sentences in the voice of a character."""

from __future__ import annotations

from collections.abc import Callable

from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first


def personas_tasks() -> list[TaskSpec]:
    """Build tasks that say a sentence as a character would."""
    return _voice_tasks(
        "personas",
        [
            ("pirate", "Arr,", ", matey!", "a pirate"), ("robot", "BEEP.", ". BOOP.", "a robot"),
            ("butler", "Indeed,", ", sir.", "a butler"), ("cowboy", "Howdy,", ", partner.", "a cowboy"),
            ("wizard", "Behold:", ", by my beard!", "a wizard"), ("child", "Mummy,", ", really!", "a small child"),
            ("captain", "Attention,", ", over.", "a captain on the radio"),
            ("judge", "Order!", ", so it is ruled.", "a judge"),
        ],
        lambda opening, ending, who: (
            f'{capitalize_first(who)} {{begins|starts}} with "{opening}" and {{ends|closes}} with "{ending}".',
            f'{{As|Like}} {who} would, {{put|use}} "{opening}" in front and "{ending}" {{at the end|behind}}.',
            f'{{Answer|Reply}} in the {{voice|manner}} of {who}: "{opening}" first, "{ending}" last.',
            f'{{Imagine you are|Pretend to be}} {who}. "{opening}" {{comes first|opens}}, "{ending}" {{last|ends}}.',
            f'{{First|To begin}} "{opening}", {{last|to end}} "{ending}": so {{talks|speaks}} {who}.',
        ),
    )  # fmt: skip


def greetings_tasks() -> list[TaskSpec]:
    """Build tasks that say a sentence as other characters would; an unseen family."""
    return _voice_tasks(
        "greetings",
        [
            ("letter", "Dear friend,", ", yours truly.", "a writer of letters"),
            ("knight", "Hark,", ", my liege.", "a knight"), ("surfer", "Dude,", ", awesome.", "a surfer"),
            ("news", "Breaking:", ", back to you.", "a newsreader"), ("cook", "Bon appetit:", ", mamma mia!", "a cook"),
        ],
    )  # fmt: skip


def _voice_tasks(
    family: str,
    rows: list[tuple[str, str, str, str]],
    more_templates: Callable[[str, str, str], tuple[str, ...]] = lambda _opening, _ending, _who: (),
) -> list[TaskSpec]:
    """Build tasks that say a sentence with an opening and an ending.

    Args:
        family: name of the family.
        rows: name of the task, opening, ending and speaker.
        more_templates: further templates, given opening, ending and speaker.
    """
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            on_sentence(lambda text, opening=opening, ending=ending: f"{opening} {text}{ending}"),
            (
                f'{{Say|Repeat|Tell}} $text {{like|as}} {who}: "{opening} ...{ending}"',
                f'You are {who}. {{Say|Repeat|Tell}} $text, beginning with "{opening}" and ending with "{ending}"',
                *more_templates(opening, ending.strip(" ,"), who),
                f'{{Speak|Talk}} like {who}, who says "{opening}" before and "{ending.strip(" ,")}" after $text.',
            ),
        )
        for name, opening, ending, who in rows
    ]
