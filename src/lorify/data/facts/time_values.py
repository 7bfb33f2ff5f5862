"""Values that are dates, times and durations."""

from __future__ import annotations

from lorify.data.facts.names import Names

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def draw_year(names: Names, low: str = "1850", high: str = "2025") -> str:
    """Draw a year from `low` to `high`."""
    return str(names.rng.randint(int(low), int(high)))


def draw_date(names: Names, low: str = "1950", high: str = "2026") -> str:
    """Draw a date in the years `low` to `high`, usually as `14 March 1987`."""
    day, month = names.rng.randint(1, 28), names.rng.choice(MONTHS)
    form = names.rng.choice(("{d} {m} {y}", "{d} {m} {y}", "{m} {d}, {y}"))
    return form.format(d=day, m=month, y=draw_year(names, low, high))


def draw_day(names: Names) -> str:
    """Draw a day and month without a year."""
    return names.rng.choice(("{d} {m}", "{m} {d}")).format(d=names.rng.randint(1, 28), m=names.rng.choice(MONTHS))


def draw_month(names: Names) -> str:
    """Draw a month and year."""
    return f"{names.rng.choice(MONTHS)} {draw_year(names, '1960')}"


def draw_weekday(names: Names) -> str:
    """Draw a day of the week."""
    return names.rng.choice(WEEKDAYS)


def draw_clock(names: Names, low: str = "6", high: str = "22") -> str:
    """Draw a time of day from hour `low` to hour `high`, usually as `9:30`."""
    hour, minute = names.rng.randint(int(low), int(high)), names.rng.choice(("00", "15", "30", "45", "05", "10", "20"))
    if names.rng.random() < 0.7:
        return f"{hour}:{minute}"
    return f"{(hour - 1) % 12 + 1}:{minute} {'am' if hour < 12 else 'pm'}"


def draw_minutes(names: Names) -> str:
    """Draw a duration in minutes or hours."""
    half_hours = names.rng.randint(3, 16)
    return names.rng.choice((f"{names.rng.randint(4, 180)} minutes", f"{half_hours / 2:g} hours"))
