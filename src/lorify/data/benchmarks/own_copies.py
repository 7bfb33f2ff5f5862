"""Convert lorify's own copies of benchmarks (`NAME.json` in the form of a task) to rows in the published form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lorify.data.sources.hub import Row
from lorify.errors import EvaluationError

_LETTERS = "ABCDE"


def convert_own_copy(name: str, path: Path) -> Iterator[Row]:
    """Convert the instances of a file.

    Raises:
        EvaluationError: if it cannot be read, or an instance lacks a field.
    """
    try:
        instances = json.loads(path.read_text(encoding="utf-8"))["instances"]
        yield from map(_CONVERTERS.get(name, _to_lettered), instances)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        raise EvaluationError(f"{path} is not a copy of benchmark {name} ({error!r}); give another") from error


def _question(instance: Mapping[str, Any]) -> str:
    """Return the question without the choices, which the input lists as `A. ...`."""
    return instance["input"].split(f"\nA. {instance['choices'][0]}")[0]


def _to_lettered(instance: Mapping[str, Any]) -> Row:
    labels = _LETTERS[: len(instance["choices"])]
    choices = {"text": instance["choices"], "label": list(labels)}
    return {"question": _question(instance), "choices": choices, "answerKey": labels[instance["answer_index"]]}


def _to_hellaswag(instance: Mapping[str, Any]) -> Row:
    return {"ctx": instance["input"], "endings": instance["choices"], "label": instance["answer_index"]}


def _to_piqa(instance: Mapping[str, Any]) -> Row:
    first, second = instance["choices"]
    return {"goal": _question(instance), "sol1": first, "sol2": second, "label": instance["answer_index"]}


def _to_winogrande(instance: Mapping[str, Any]) -> Row:
    first, second = instance["choices"]
    sentence, answer = _question(instance), instance["answer_index"] + 1
    return {"sentence": sentence, "option1": first, "option2": second, "answer": answer}


def _to_boolq(instance: Mapping[str, Any]) -> Row:
    passage, _, question = instance["input"].removesuffix("\nAnswer:").rpartition("\nQuestion: ")
    return {
        "passage": passage.removeprefix("Passage: "),
        "question": question.removesuffix("?"),
        "answer": instance["outputs"][0] == "yes",
    }


def _to_gsm8k(instance: Mapping[str, Any]) -> Row:
    return {"question": instance["input"], "answer": instance.get("rationale") or instance["outputs"][0]}


def _to_humaneval(instance: Mapping[str, Any]) -> Row:
    return {**instance, "prompt": instance["input"], "canonical_solution": instance["outputs"][0]}


def _to_mbpp(instance: Mapping[str, Any]) -> Row:
    return {**instance, "text": instance["input"].split("\nYour code should")[0], "code": instance["outputs"][0]}


_CONVERTERS: Mapping[str, Callable[[Mapping[str, Any]], Row]] = {
    "hellaswag": _to_hellaswag,
    "piqa": _to_piqa,
    "winogrande": _to_winogrande,
    "boolq": _to_boolq,
    "gsm8k": _to_gsm8k,
    "humaneval": _to_humaneval,
    "mbpp": _to_mbpp,
}
