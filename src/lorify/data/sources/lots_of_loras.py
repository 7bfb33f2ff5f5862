"""Super-NaturalInstructions tasks as published by Lots-of-LoRAs, from the Hugging Face hub or local copies.

A row has an `input`, the whole few-shot prompt of the task, and a list `output`. As in Text-to-LoRA, only the
definition and the problem are taken from the prompt.

Source: huggingface.co/Lots-of-LoRAs; github.com/SakanaAI/text-to-lora, `utils/preprocessing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from lorify.data.sources.hub import Row, read_dataset
from lorify.data.tasks.published.sni import parse_sni_number, sni_training_tasks
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

ORGANISATION = "Lots-of-LoRAs"
_DEFINITION, _EXAMPLES = "Definition: ", "\n\nPositive Example"
_PROBLEM, _INPUT, _OUTPUT = "Now complete the following example -", "Input: ", "\nOutput:"


@cache
def lots_of_loras_names() -> dict[int, str]:
    """Return the 500 data sets of Lots-of-LoRAs that Text-to-LoRA describes, by the number of their task.

    479 of them are for training (`sni_training_tasks`), 10 for validation, and 11 overlap with its benchmarks.
    """
    text = files("lorify.data.tasks").joinpath("tables/lots_of_loras.txt").read_text(encoding="utf-8")
    return {number: name for name in text.split() if (number := parse_sni_number(name)) is not None}


def select_names(wanted: str) -> list[str]:
    """Return the names of data sets: `training`, `all`, or the numbers of tasks separated by commas.

    Raises:
        EvaluationError: if a number is not the number of one of these tasks.
    """
    names = lots_of_loras_names()
    if wanted in ("training", "all"):
        return [name for number, name in sorted(names.items()) if wanted == "all" or number in sni_training_tasks()]
    numbers = [part.strip().removeprefix("lol_") for part in wanted.split(",") if part.strip()]
    unknown = [number for number in numbers if not number.isdecimal() or int(number) not in names]
    if unknown or not numbers:
        raise EvaluationError(
            f"task {(unknown or [wanted])[0]!r} is not one of Text-to-LoRA's; give training, all, or numbers such as "
            "22,33 of https://huggingface.co/Lots-of-LoRAs"
        )
    return [names[int(number)] for number in numbers]


def read_lots_of_loras(name: str, *, folder: Path | None, split: str) -> Task:
    """Read a task.

    Args:
        name: name of its data set, such as `task022_cosmosqa_passage_inappropriate_binary`.
        folder: folder of local copies, one folder `NAME` each; None: the hub.
        split: `train`, `valid` or `test`.

    Raises:
        EvaluationError: if it cannot be read or is empty, or a row does not have this form.
    """
    source = f"{ORGANISATION}/{name}" if folder is None else str(folder / name)
    parsed = list(parse_rows(read_dataset(source, split), source))
    if not parsed:
        raise EvaluationError(f"data set {source} has no row in its split {split}; download it again")
    definition = parsed[0][0]
    return Task(
        name=name,
        definition=definition,
        descriptions=(definition,),
        instances=tuple(instance for _, instance in parsed),
        metric="rouge_l",
        family=name,
        source=ORGANISATION,
    )


def parse_rows(rows: Iterable[Row], source: str) -> Iterator[tuple[str, Instance]]:
    """Extract the definition and the instances from the rows of a data set.

    Raises:
        EvaluationError: if a row does not have the form that Lots-of-LoRAs publishes.
    """
    for number, row in enumerate(rows, start=1):
        try:
            text, outputs = row["input"], row["output"]
            definition = _between(text, _DEFINITION, _EXAMPLES)
            problem = _between(text.split(_PROBLEM)[1], _INPUT, _OUTPUT)
            yield definition, Instance(problem, tuple(map(str, [outputs] if isinstance(outputs, str) else outputs)))
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise EvaluationError(
                f"row {number} of {source} has no definition, problem and output as in Lots-of-LoRAs; give the data "
                "set as published"
            ) from error


def _between(text: str, start: str, end: str) -> str:
    """Return the text after the first `start`, up to the next `start` or `end`, like the reference implementation."""
    return text.split(start)[1].split(end)[0]
