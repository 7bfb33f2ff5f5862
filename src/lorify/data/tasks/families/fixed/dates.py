"""Tasks that write dates in other forms."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawInstance, TaskSpec


def dates_tasks() -> list[TaskSpec]:
    """Build tasks that write a date in another form; an unseen family."""
    rows = [
        ("iso", lambda d, m, y: f"{y}-{m:02d}-{d:02d}", "in ISO form, year-month-day", "as 2020-01-31 is written"),
        ("year", lambda d, m, y: str(y), "as its year alone", "as four digits of a year"),
        ("month", lambda d, m, y: words.MONTHS[m - 1], "as its month alone", "as the name of a month"),
        ("day", lambda d, m, y: str(d), "as its day alone", "as the day of the month only"),
        ("american", lambda d, m, y: f"{words.MONTHS[m - 1]} {d}, {y}", "the American way, month first",
         "with month, day, comma and year"),
    ]  # fmt: skip
    return [
        TaskSpec(f"dates_{name}", "dates", _from_date(write),
                 (f"{{Write|Give|Rewrite}} the date {phrase}.",
                  f"{{Convert|Change}} the {{date|given date}}: it should be {phrase}.",
                  f"Put the {{date|day}} {paraphrase}."))
        for name, write, phrase, paraphrase in rows
    ]  # fmt: skip


def _from_date(write: Callable[[int, int, int], str]) -> DrawInstance:
    def draw_instance(rng: random.Random) -> tuple[str, str]:
        day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2029)
        return f"{day} {words.MONTHS[month - 1]} {year}", write(day, month, year)

    return draw_instance
