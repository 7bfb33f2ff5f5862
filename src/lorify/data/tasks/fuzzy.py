"""Fuzzy functions: a specification in words, inputs, and exact outputs, as TOML files.

A file has one table `[[functions]]` for each function, with `name`, `specification` and `examples`, pairs of input and
output. The file name is the family of its functions. Modelled on FuzzyBench (Program-as-Weights, arXiv 2607.02512), but
with different functions.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from lorify.data.tasks.schema import Instance, MeasuredTask, Task
from lorify.errors import EvaluationError

NUM_SHOWN = 3
"""Number of examples shown in prompts, the first ones of a function; the others are measured."""


def load_fuzzy_functions(path: Path) -> list[MeasuredTask]:
    """Read functions from a TOML file, or from all TOML files of a folder.

    Raises:
        EvaluationError: if there is no file, one is broken, or two functions share a name.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise EvaluationError(f"{path} holds no .toml file; expected files of functions")
    functions = [function for file in files for function in _read_file(file)]
    repeated = sorted(name for name, count in Counter(f.task.name for f in functions).items() if count > 1)
    if repeated:
        raise EvaluationError(f"{path} has two functions named {repeated[0]!r}; names must differ")
    return functions


def _read_file(file: Path) -> list[MeasuredTask]:
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("functions")
        if not isinstance(rows, list) or not rows:
            raise EvaluationError("has no [[functions]]")
        return [_parse_function(row, number, file.stem) for number, row in enumerate(rows, start=1)]
    except OSError as error:
        raise EvaluationError(f"{file} cannot be read ({error.strerror}); expected a file of functions") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EvaluationError(f"{file} is not TOML ({error}); expected a file of functions") from error
    except EvaluationError as error:
        raise EvaluationError(f"{file}: {error}; expected name, specification and examples of each") from error


def _parse_function(row: Any, number: int, family: str) -> MeasuredTask:
    if not isinstance(row, dict):
        raise EvaluationError(f"function {number} is not a table")
    for field in ("name", "specification"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise EvaluationError(f"function {number} has no '{field}'")
    name, specification = row["name"], row["specification"]
    pairs = row.get("examples")
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise EvaluationError(f"'examples' of function {name!r} are not pairs of texts")
    if len(pairs) <= NUM_SHOWN:
        raise EvaluationError(f"function {name!r} has {len(pairs)} examples, fewer than {NUM_SHOWN + 1}")
    instances = tuple(Instance(given, (output,)) for given, output in pairs)
    task = Task(name, specification, (specification,), instances, "exact", family, "fuzzy functions")
    return MeasuredTask(task, instances[:NUM_SHOWN], instances[NUM_SHOWN:], task.descriptions)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) and text for text in value)
