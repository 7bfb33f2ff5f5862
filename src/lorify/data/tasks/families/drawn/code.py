"""Drawn tasks that write a sentence into a line of code or markup."""

from __future__ import annotations

import json
import random

from lorify.data.tasks import words
from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first


def draw_code_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that writes a sentence into a line of code, with a given name."""
    name = rng.choice(words.ALL_WORDS).lower().replace(" ", "_")
    write, label = rng.choice((
        (lambda t: f"{name}('{t}')", f"a call of {name} with single quotes"),
        (lambda t: f'{name}("{t}")', f"a call of the function {name}"),
        (lambda t: f'{name} = "{t}"', f"an assignment to the variable {name}"),
        (lambda t: json.dumps({name: t}), f"a JSON object with the key {name}"),
        (lambda t: f"{name}: {t}", f"a YAML line with the key {name}"),
        (lambda t: f"--{name} '{t}'", f"a command line option {name} with single quotes"),
        (lambda t: f"@{name} {t}", f"a message to the user @{name}"),
        (lambda t: f"{t} #{name}", f"a post that ends with the hashtag {name}"),
        (lambda t: f"let {name} = `{t}`;", f"a JavaScript let of {name} with backticks"),
        (lambda t: f"echo {t} > {name}.txt", f"a shell echo into the file {name}.txt"),
    ))  # fmt: skip
    return TaskSpec(
        f"drawn_code_{number}", "drawn code", on_sentence(write),
        (
            f"{{Turn|Make|Convert}} $text into {label}.",
            f"$write $text as {label}.",
            f"{{We need|I want}} {label}, made of $text.",
            f"{{How would|Show how}} $text look {{as|written as}} {label}?",
            f"{capitalize_first(label)} {{that holds|that contains|with}} $text, {{please|no more}}.",
            f"{{Put|Place}} $text {{into|in}} {label}.",
            f"{{You get|There comes}} a text; {{answer|return}} {label} {{of it|with it}}.",
            f"{{Write|Give}} {label}: its text is $text.",
        ),
    )  # fmt: skip
