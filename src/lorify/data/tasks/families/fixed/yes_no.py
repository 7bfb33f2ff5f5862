"""Tasks with yes-or-no questions."""

from __future__ import annotations

from lorify.data.tasks.spec import DrawTestInput, TaskSpec, on_test


def yes_no_task(
    family: str, name: str, draw_input: DrawTestInput, phrases: tuple[str, str, str], more: tuple[str, ...] = ()
) -> TaskSpec:
    """Build a task with a yes-or-no question.

    Args:
        family: name of the family.
        name: name of the task in its family.
        draw_input: draws an input for which the answer is yes or no.
        phrases: two statements that are true if the answer is yes, and a question.
        more: further templates.
    """
    first_statement, second_statement, question = phrases
    return TaskSpec(
        f"{family.replace(' ', '_')}_{name}",
        family,
        on_test(draw_input, "yes", "no"),
        (
            f"$decide {{whether|if}} {first_statement}. {{Answer yes or no.|Reply with yes or no.|Say yes or no.}}",
            f'{{Answer|Reply|Write}} "yes" if {second_statement}, {{otherwise|and if not}} "no".',
            *more,
            f"{question} {{Yes or no?|yes/no|A yes or a no is enough.}}",
        ),
        ("yes", "no"),
    )
