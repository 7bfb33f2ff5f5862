"""Made-up data for the miniature path of Text-to-LoRA, in the forms that are published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from lorify.data.benchmarks.published import published_benchmarks
from lorify.data.sources.lots_of_loras import lots_of_loras_names

TASK_NUMBERS = (22, 43, 44, 45)
WORDS = ("red", "blue", "green", "white", "black", "brown")


def write_miniature_tasks(folder: Path) -> None:
    """Write `lots-of-loras`, `descriptions`, and the benchmarks' `test` and `training` items into a folder."""
    names = lots_of_loras_names()
    for number in TASK_NUMBERS:
        _write_rows(folder / "lots-of-loras" / names[number] / "train.jsonl", _task_rows(number))
        _write_descriptions(folder / "descriptions" / f"lol_{number:03d}", f"Say the colour and the number {number}.")
    for name, benchmark in published_benchmarks().items():
        rows = list(map(BENCHMARK_ROWS.get(name, _choices), range(len(WORDS))))
        _write_rows(folder / "test" / f"{name}.jsonl", rows)
        if benchmark.training_source is not None:
            _write_rows(folder / "training" / f"{name}.jsonl", rows)
            _write_descriptions(folder / "descriptions" / name, benchmark.descriptions[0])


def _task_rows(number: int) -> Iterable[Mapping[str, object]]:
    definition = (
        f"Definition: Say the word and then {number}.\n\nPositive Example 1 -\nInput: a\nOutput: a {number}\n\n"
    )
    for word in WORDS:
        prompt = f"{definition}Now complete the following example -\nInput: {word}\nOutput: "
        yield {"id": word, "input": prompt, "output": [f"{word} {number}"]}


def _choices(i: int) -> dict[str, object]:
    labels = list("ABCD")
    texts = [WORDS[(i + k) % len(WORDS)] for k in range(4)]
    question = f"Which of these is {texts[i % 4]}?"
    shown = {"text": texts, "label": labels}
    return {"question": question, "question_stem": question, "choices": shown, "answerKey": labels[i % 4]}


def _hellaswag(i: int) -> dict[str, object]:
    return {"ctx": f"The wall is {WORDS[i]}. It", "endings": ["is red.", "sings.", "eats.", "flies."], "label": "0"}


def _piqa(i: int) -> dict[str, object]:
    return {"goal": f"Paint a wall {WORDS[i]}", "sol1": "with a brush", "sol2": "with a spoon", "label": 0}


def _winogrande(i: int) -> dict[str, object]:
    sentence = f"The {WORDS[i]} ball did not fit into the box because the _ was too large."
    return {"sentence": sentence, "option1": "ball", "option2": "box", "answer": "1"}


def _boolq(i: int) -> dict[str, object]:
    return {"passage": f"The door is {WORDS[i]}.", "question": f"is the door {WORDS[i]}", "answer": True}


def _gsm8k(i: int) -> dict[str, object]:
    question = f"There are {i} {WORDS[i]} balls and 2 others. How many are there?"
    return {"question": question, "answer": f"{i} + 2 = {i + 2}\n#### {i + 2}"}


def _humaneval(i: int) -> dict[str, object]:
    return {
        "prompt": f'def add(x):\n    """Add {i} to x."""\n',
        "canonical_solution": f"    return x + {i}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {i + 1}\n",
        "entry_point": "add",
    }


def _mbpp(i: int) -> dict[str, object]:
    tests = [f"assert add(1) == {i + 1}"]
    return {
        "prompt": f"Write a function that adds {i}.",
        "code": f"def add(x):\n    return x + {i}",
        "test_list": tests,
    }


BENCHMARK_ROWS = {
    "hellaswag": _hellaswag,
    "piqa": _piqa,
    "winogrande": _winogrande,
    "boolq": _boolq,
    "gsm8k": _gsm8k,
    "humaneval": _humaneval,
    "mbpp": _mbpp,
}


def _write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_descriptions(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = [text, f"Please read the input. {text}", f"{text} Do no more than that."]
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"descriptions": texts}), encoding="utf-8")
