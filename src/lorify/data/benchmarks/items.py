"""Items of the benchmarks, from the hub, from published rows in a folder, or from lorify's own copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lorify.data.benchmarks.own_copies import convert_own_copy
from lorify.data.sources.hub import Row, read_dataset
from lorify.data.sources.json_lines import read_json_lines
from lorify.errors import EvaluationError

NUM_CHOICES = 4
ANSWER_MARK = "# <the answer>"
DEFINITIONS_MARK = "# <the definitions in the answer>"
"""Lines of test programs that are replaced by the answer, or by what it defines."""
_LETTERS = "ABCD"


@dataclass(frozen=True)
class BenchmarkItem:
    """An item of a benchmark; prompts refer to its fields by name.

    Attributes:
        question: the question, passage to continue, or beginning of a program.
        answer: the label of the right choice, the truth value, the solution, or the program.
        labels: labels of the choices.
        choices: texts of the choices.
        passage: text that the question is about.
        assertions: tests of a program, one per line.
        tests: program that tests an answer, containing one of the marks; it raises an error if the answer is wrong.
    """

    question: str
    answer: str
    labels: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    passage: str = ""
    assertions: tuple[str, ...] = ()
    tests: str = ""

    def fill(self, template: str) -> str:
        """Fill in the fields of a prompt."""
        return template.format(
            question=self.question,
            passage=self.passage,
            labels=self.labels,
            choices=self.choices,
            assertion=self.assertions[0] if self.assertions else "",
            assertions="\n".join(self.assertions),
        )


def read_items(
    name: str, *, folder: Path | None = None, source: tuple[str, str | None, str], limit: int | None = None
) -> list[BenchmarkItem]:
    """Read the items of a benchmark.

    Args:
        name: name of the benchmark.
        folder: folder of local copies: `NAME.jsonl` with published rows, or `NAME.json` in the form of a task; None:
            the hub.
        source: data set, configuration and split on the hub.
        limit: read only the first `limit` items; None: all.

    Raises:
        EvaluationError: if the items cannot be read, there are none, or one lacks a field.
    """
    rows = _read_rows(name, folder, source)
    convert = CONVERTERS.get(name, _from_choices)
    items: list[BenchmarkItem] = []
    for number, row in enumerate(islice(rows, limit), start=1):
        items.append(_convert(convert, row, f"item {number} of benchmark {name}"))
    if not items:
        raise EvaluationError(f"benchmark {name} has no items in {folder or source[0]}; give a complete copy")
    return items


def _convert(convert: Callable[[Row], BenchmarkItem], row: object, label: str) -> BenchmarkItem:
    try:
        if not isinstance(row, Mapping):
            raise TypeError("it is no JSON object")
        item = convert(row)
        if not all(isinstance(text, str) for text in (item.question, item.answer, item.passage, *item.choices)):
            raise TypeError("a text is of another type")
    except KeyError as error:
        raise EvaluationError(f"{label} has no usable field {error}; give the rows as published") from error
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise EvaluationError(f"{label} is not as published ({error}); give the rows as published") from error
    return item


def _read_rows(name: str, folder: Path | None, source: tuple[str, str | None, str]) -> Iterator[Row]:
    if folder is None:
        path, configuration, split = source
        return read_dataset(path, split, name=configuration)
    if (folder / f"{name}.jsonl").is_file():
        return (row for _, row in read_json_lines(folder / f"{name}.jsonl"))
    if (folder / f"{name}.json").is_file():
        return convert_own_copy(name, folder / f"{name}.json")
    raise EvaluationError(
        f"{folder} has no {name}.jsonl with published rows and no {name}.json; give the folder of local copies"
    )


def _from_choices(row: Row) -> BenchmarkItem:
    """Convert ARC and OpenBookQA; as published, choices are padded to four with `N/A`, and a fifth is not shown."""
    texts, labels = list(row["choices"]["text"]), [str(label) for label in row["choices"]["label"]]
    for position in range(len(texts), NUM_CHOICES):
        texts.append("N/A")
        labels.append(str(position + 1) if labels[0].isdigit() else _LETTERS[position])
    question = row["question_stem"] if "question_stem" in row else row["question"]
    return BenchmarkItem(question, str(row["answerKey"]), labels=tuple(labels), choices=tuple(texts))


def _from_hellaswag(row: Row) -> BenchmarkItem:
    return BenchmarkItem(row["ctx"], str(row["label"]), choices=tuple(row["endings"]))


def _from_piqa(row: Row) -> BenchmarkItem:
    return BenchmarkItem(row["goal"], str(row["label"]), choices=(row["sol1"], row["sol2"]))


def _from_winogrande(row: Row) -> BenchmarkItem:
    return BenchmarkItem(row["sentence"], str(row["answer"]), choices=(row["option1"], row["option2"]))


def _from_boolq(row: Row) -> BenchmarkItem:
    return BenchmarkItem(row["question"], str(bool(row["answer"])), passage=row["passage"])


def _from_gsm8k(row: Row) -> BenchmarkItem:
    return BenchmarkItem(row["question"], row["answer"])


def _from_humaneval(row: Row) -> BenchmarkItem:
    prompt = row["prompt"].strip()
    tests = f"{row['test']}\ncheck({row['entry_point']})"
    return BenchmarkItem(prompt, row["canonical_solution"], tests=f"{prompt}\n{ANSWER_MARK}\n{tests}\n")


def _from_mbpp(row: Row) -> BenchmarkItem:
    text = str(row.get("prompt") or row["text"]).strip()
    setup: Iterable[str] = row.get("test_imports") or [row.get("test_setup_code") or ""]
    assertions: Sequence[str] = row["test_list"]
    tests = "\n".join([*setup, DEFINITIONS_MARK, *assertions, ""])
    return BenchmarkItem(
        text if text.endswith(".") else f"{text}.", row["code"], assertions=tuple(assertions), tests=tests
    )


CONVERTERS: Mapping[str, Callable[[Row], BenchmarkItem]] = {
    "hellaswag": _from_hellaswag,
    "piqa": _from_piqa,
    "winogrande": _from_winogrande,
    "boolq": _from_boolq,
    "gsm8k": _from_gsm8k,
    "humaneval": _from_humaneval,
    "mbpp": _from_mbpp,
}
"""Functions that convert a benchmark's published rows to items; other benchmarks have `choices` and `answerKey`."""
