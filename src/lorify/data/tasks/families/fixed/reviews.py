"""Tasks that label reviews as positive or negative."""

from __future__ import annotations

from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.spec import TaskSpec, on_test


def sentiment_tasks() -> list[TaskSpec]:
    """Build tasks that label a review as positive or negative."""
    return _review_tasks(
        "sentiment",
        [
            ("positive", "positive", "negative"),
            ("good", "good", "bad"),
            ("signs", "+", "-"),
            ("digits", "1", "0"),
            ("happy", "happy", "sad"),
            ("yes", "yes", "no"),
            ("stars", "5 stars", "1 star"),
            ("letters", "A", "B"),
        ],
        _sentiment_templates,
    )


def _sentiment_templates(good: str, bad: str) -> tuple[str, ...]:
    return (
        f'{{Say|Write}} "{good}" when somebody is content, and "{bad}" when not.',
        f'"{good}" {{means|stands for}} praise, "{bad}" {{means|stands for}} blame. {{Which is it?|}}',
        f'{{If|When}} it is praise, {{the answer is|write}} "{good}", {{otherwise|if not}} "{bad}".',
        f'{{Sort|Tag|File}} opinions: "{good}" for good ones, "{bad}" for bad ones.',
        f'{{Was somebody content|Is there praise in it}}? Then "{good}", {{else|if not,}} "{bad}".',
    )


def votes_tasks() -> list[TaskSpec]:
    """Build tasks that label a review with other labels; an unseen family."""
    return _review_tasks(
        "votes",
        [
            ("like", "like", "dislike"),
            ("thumbs", "thumbs up", "thumbs down"),
            ("keep", "keep", "return"),
            ("pass", "pass", "fail"),
            ("true", "true", "false"),
        ],
    )


def _review_tasks(
    family: str, rows: list[tuple[str, str, str]], more: Callable[[str, str], tuple[str, ...]] = lambda _good, _bad: ()
) -> list[TaskSpec]:
    """Build tasks that label reviews.

    Args:
        family: name of the family.
        rows: name of the task, label of positive reviews, label of negative reviews.
        more: further templates, given both labels.
    """
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            on_test(words.draw_review, good, bad),
            (
                f'$decide {{whether|if}} the review is favourable: {{answer|say}} "{good}" if so, else "{bad}".',
                f'{{Label|Mark}} the {{review|opinion|comment}} as "{good}" if it praises, "{bad}" if it complains.',
                *more(good, bad),
                f'"{good}" or "{bad}": {{does the customer like it|is the customer pleased|is the reviewer happy}}?',
            ),
            (good, bad),
        )
        for name, good, bad in rows
    ]
