"""Tasks on arithmetic, comparison and forms of numbers."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.number_words import NUMBER_WORDS
from lorify.data.tasks.spec import DrawInstance, TaskSpec, form_templates, noun_phrase_templates


def arithmetic_tasks() -> list[TaskSpec]:
    """Build tasks that calculate with one or two numbers."""
    rows = [
        ("add", _on_numbers(lambda a, b: str(a + b), 2), "the sum of the two numbers", "add them"),
        ("difference", _on_numbers(lambda a, b: str(abs(a - b)), 2), "the difference of the two numbers",
         "subtract the smaller from the larger"),
        ("next", _on_numbers(lambda a: str(a + 1), 1, 99), "the number that comes next", "count one further"),
        ("previous", _on_numbers(lambda a: str(a - 1), 1, 99), "the number just before", "count one back"),
        ("add_ten", _on_numbers(lambda a: str(a + 10), 1, 89), "the number plus ten", "raise it by ten"),
        ("double", _on_numbers(lambda a: str(2 * a), 1, 40), "twice the number", "double it"),
        ("times_ten", _on_numbers(lambda a: str(10 * a), 1, 99), "ten times the number", "multiply it by ten"),
        ("equation", _on_numbers(lambda a, b: f"{a} + {b} = {a + b}", 2), "the sum as an equation",
         "write out the addition with its result"),
    ]  # fmt: skip
    return [
        TaskSpec(f"arithmetic_{name}", "arithmetic", draw_instance,
                 (f"{{Give|Write|Compute|Work out}} {phrase}.",
                  f"{{What is|Which is}} {phrase}? {{Answer with it alone.|}}",
                  *noun_phrase_templates(phrase),
                  f"{{Please|Now}} {paraphrase}{{ and write the result|}}."))
        for name, draw_instance, phrase, paraphrase in rows
    ]  # fmt: skip


def comparison_tasks() -> list[TaskSpec]:
    """Build tasks that compare two numbers, or tell odd numbers from even ones."""
    rows = [
        ("larger", _on_numbers(lambda a, b: str(max(a, b)), 2, 99), "the larger number", "the one that is more"),
        ("smaller", _on_numbers(lambda a, b: str(min(a, b)), 2, 99), "the smaller number", "the one that is less"),
        ("ascending", _on_numbers(lambda a, b: f"{min(a, b)}, {max(a, b)}", 2, 99), "the numbers in ascending order",
         "both, the small one first"),
        ("descending", _on_numbers(lambda a, b: f"{max(a, b)}, {min(a, b)}", 2, 99), "the numbers in descending order",
         "both, the big one first"),
        ("sign", _on_numbers(lambda a, b: ">" if a > b else "<", 2, 99), "the sign < or > between the numbers",
         "whether > or < belongs between them"),
        ("parity", _on_numbers(lambda a: "odd" if a % 2 else "even", 1, 99), "odd or even, as the number is",
         "whether halves of it are whole: even or odd"),
    ]  # fmt: skip
    return [
        TaskSpec(f"comparison_{name}", "comparison", draw_instance,
                 (f"$write {phrase}.", f"{{Find|Determine|Name}} {phrase} {{for the input|of what you get}}.",
                  *noun_phrase_templates(phrase),
                  f"{{Tell me|Give me|Say}} {paraphrase}."))
        for name, draw_instance, phrase, paraphrase in rows
    ]  # fmt: skip


def number_forms_tasks() -> list[TaskSpec]:
    """Build tasks that write a number in another form."""
    rows: list[tuple[str, DrawInstance, str, str]] = [
        ("words", _on_numbers(_number_word, 1, 20), "in words", "spelled out"),
        ("upper_words", _on_numbers(lambda n: _number_word(n).upper(), 1, 20), "in words of capital letters",
         "spelled in capitals"),
        ("digits", _draw_number_word, "in digits", "as figures"),
        ("euros", _on_numbers(lambda n: f"{n} euros", 1, 99), "as an amount of euros", "as money in euros"),
        ("dollars", _on_numbers(lambda n: f"${n}.00", 1, 99), "as a price in dollars and cents",
         "as a dollar price tag"),
        ("percent", _on_numbers(lambda n: f"{n}%", 1, 99), "as a percentage", "with a percent sign"),
        ("decimal", _on_numbers(lambda n: f"{n}.0", 1, 99), "with one decimal", "with .0 behind it"),
        ("padded", _on_numbers(lambda n: f"{n:04d}", 1, 99), "in four digits, with leading zeros",
         "padded with zeros to four places"),
    ]  # fmt: skip
    return [
        TaskSpec(f"numbers_{name}", "numbers", draw_instance,
                 (f"$write the number {form}.", f"{{Convert|Change}} the number: it should be {form}.",
                  *form_templates("the number", form),
                  f"The {{number|figure}}, {paraphrase}, {{please|is wanted}}."))
        for name, draw_instance, form, paraphrase in rows
    ]  # fmt: skip


def _number_word(number: int) -> str:
    return NUMBER_WORDS[number]


def _draw_number_word(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(0, 20)
    return _number_word(number), str(number)


def _on_numbers(write: Callable[..., str], count: int, high: int = 20) -> DrawInstance:
    """Build instances of `count` different numbers from 1 to `high`, and the result of `write` for them."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        numbers = rng.sample(range(1, high + 1), count)
        return " and ".join(map(str, numbers)), write(*numbers)

    return draw_instance
