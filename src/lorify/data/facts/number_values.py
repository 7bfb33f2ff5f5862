"""Values made of numbers and signs: quantities with units, codes, versions, scores."""

from __future__ import annotations

import random

from lorify.data.facts.names import Names
from lorify.data.number_words import NUMBER_WORDS

SMALLEST_FEW, LARGEST_FEW = 2, 12
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
MAX_VERSION = (12, 30, 20)


def draw_by_digits(rng: random.Random, low: int, high: int) -> int:
    """Draw an integer between the limits so that every number of digits is equally likely.

    Args:
        rng: source of randomness.
        low: smallest value, at least 0.
        high: largest value.
    """
    digits = rng.randint(len(str(low)), len(str(high)))
    return rng.randint(max(low, 10 ** (digits - 1)), min(high, 10**digits - 1))


def draw_number(names: Names, low: str, high: str, *unit: str) -> str:
    """Draw an integer with its unit; every number of digits is equally likely, and half have thousands commas.

    Args:
        names: source of randomness.
        low: smallest value.
        high: largest value.
        unit: words after the number.
    """
    value = draw_by_digits(names.rng, int(low), int(high))
    text = f"{value:,}" if names.rng.random() < 0.5 else str(value)
    return " ".join([text, *unit])


def draw_decimal(names: Names, low: str, high: str, *unit: str) -> str:
    """Draw a number with one or two decimals and its unit.

    Args:
        names: source of randomness.
        low: smallest value.
        high: largest value.
        unit: words after the number.
    """
    digits = names.rng.choice((1, 1, 2))
    return " ".join([f"{names.rng.uniform(float(low), float(high)):.{digits}f}", *unit])


def draw_few(names: Names) -> str:
    """Draw a small number in words or digits."""
    number = names.rng.randint(SMALLEST_FEW, LARGEST_FEW)
    return names.rng.choice((NUMBER_WORDS[number], str(number)))


def draw_percent(names: Names) -> str:
    """Draw a percentage."""
    value = names.rng.choice((str(names.rng.randint(2, 98)), f"{names.rng.uniform(0.5, 99):.1f}"))
    return value + names.rng.choice(("%", "%", " percent"))


def draw_code(names: Names) -> str:
    """Draw a part, form or model number such as `KX-482`."""
    rng = names.rng
    letters = "".join(rng.choices(CODE_LETTERS, k=rng.choice((1, 2, 2, 3))))
    digits = str(rng.randint(10, 99999))
    return rng.choice((f"{letters}-{digits}", f"{letters}-{digits}", letters + digits, f"{digits}-{letters}"))


def draw_phone(names: Names) -> str:
    """Draw a telephone number."""
    rng = names.rng
    return rng.choice((f"555-{rng.randint(0, 9999):04d}", f"0{rng.randint(10, 99)} {rng.randint(1000, 99999)}"))


def draw_extension(names: Names) -> str:
    """Draw the digits of a telephone extension or a combination lock."""
    return str(names.rng.randint(100, 99999))


def draw_port(names: Names) -> str:
    """Draw a network port."""
    return str(names.rng.randint(1024, 65535))


def draw_room(names: Names) -> str:
    """Draw a room number."""
    return names.rng.choice(
        (f"{names.rng.choice('ABCDEFG')}{names.rng.randint(1, 499)}", str(names.rng.randint(2, 899)))
    )


def draw_version(names: Names) -> str:
    """Draw a software version."""
    rng = names.rng
    return ".".join(str(rng.randint(0, largest)) for largest in MAX_VERSION[: rng.choice((2, 3, 3))])


def draw_size(names: Names, *unit: str) -> str:
    """Draw a width and a length from 4 to 220, followed by their unit."""
    return " ".join([f"{names.rng.randint(4, 220)} by {names.rng.randint(4, 220)}", *unit])


def draw_score(names: Names) -> str:
    """Draw the result of a match."""
    return f"{names.rng.randint(0, 34)}-{names.rng.randint(0, 34)}"


def draw_degrees(names: Names, low: str, high: str) -> str:
    """Draw a temperature in whole degrees Celsius, from `low` to `high`."""
    return f"{names.rng.randint(int(low), int(high))} °C"
