"""Checks of the arguments of the Python API, so that a wrong one is named in a line instead of failing deep inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from os import PathLike
from typing import Any, ParamSpec, TypeVar

from lorify.adapters import Adapter, AdapterStack
from lorify.errors import AdapterError, ContextError, RequestError
from lorify.hypernets.task_refinement.task_examples import TaskExample

Check = Callable[[str, Any], None]
"""(name of an argument, its value) -> nothing, or an error that names it."""
Params = ParamSpec("Params")
Result = TypeVar("Result")

KEEPS = ("tokens", "index", "none")
CHAT = "[{'role': 'user', 'content': 'Who?'}]"


def checked(**checks: Check) -> Callable[[Callable[Params, Result]], Callable[Params, Result]]:
    """Check the arguments of a function when it is called.

    Args:
        checks: for each argument its check.
    """

    def decorate(function: Callable[Params, Result]) -> Callable[Params, Result]:
        signature = inspect.signature(function)
        assert checks.keys() <= signature.parameters.keys()
        several = {name: () for name, each in signature.parameters.items() if each.kind is each.VAR_POSITIONAL}

        @wraps(function)
        def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            given = several | signature.bind(*args, **kwargs).arguments
            for name, check in checks.items():
                if name in given:
                    check(name, given[name])
            return function(*args, **kwargs)

        return call

    return decorate


def is_text(name: str, value: Any) -> None:
    """Accept a text."""
    if not isinstance(value, str):
        raise _wrong(name, value, "a text", "give a str")


def is_text_or_none(name: str, value: Any) -> None:
    """Accept a text or None."""
    if value is not None and not isinstance(value, str):
        raise _wrong(name, value, "a text or None", "give the text itself, as a str")


def are_texts(name: str, value: Any) -> None:
    """Accept a list of texts, which one text is not."""
    _check_list(name, value, "texts")
    for number, item in enumerate(value):
        is_text(f"{name}[{number}]", item)


def are_texts_or_none(name: str, value: Any) -> None:
    """Accept a list of texts and None, or None."""
    if value is not None:
        _check_list(name, value, "texts")
        for number, item in enumerate(value):
            is_text_or_none(f"{name}[{number}]", item)


def is_path(name: str, value: Any) -> None:
    """Accept a path."""
    if not isinstance(value, str | PathLike):
        raise _wrong(name, value, "a path", "give a str or a pathlib.Path")


def is_adapter(name: str, value: Any) -> None:
    """Accept one adapter."""
    if isinstance(value, AdapterStack):
        raise AdapterError(f"{name} is a stack of adapters, expected one adapter; give one that `internalize` made")
    if not isinstance(value, Adapter):
        raise AdapterError(
            f"{name} is {_kind(value)}, expected an adapter; make one with `internalize` or `specialize`, or read one "
            "with `load_adapter`"
        )


def are_adapters(name: str, value: Any) -> None:
    """Accept a list with an adapter, a stack or None for each question."""
    _check_list(name, value, "adapters")
    for number, item in enumerate(value):
        if item is not None and not isinstance(item, AdapterStack):
            is_adapter(f"{name}[{number}]", item)


def are_scaled_adapters(name: str, value: Any) -> None:
    """Accept a list of pairs of an adapter and its scale."""
    _check_list(name, value, "pairs such as (adapter, 1.0)")
    for number, item in enumerate(value):
        if not (isinstance(item, tuple | list) and len(item) == 2 and _is_number(item[1])):
            raise AdapterError(
                f"{name}[{number}] is {_kind(item)}, expected an adapter with its scale; give pairs such as "
                "(adapter, 1.0)"
            )
        is_adapter(f"{name}[{number}][0]", item[0])


def are_sources(name: str, value: Any) -> None:
    """Accept documents one by one, not a list of them."""
    for source in value:
        if isinstance(source, list | tuple | set | dict):
            raise ContextError(
                f"a source is {_kind(source)}, expected documents one by one; give them as separate arguments: "
                "internalize(a, b) or internalize(*documents)"
            )
        if source is None or isinstance(source, bytes | int | float | Adapter):
            raise ContextError(
                f"a source is {_kind(source)}, expected a path, an image or a document; make a document of a text with "
                "lorify.document_from_text(text, name)"
            )


def are_names(name: str, value: Any) -> None:
    """Accept names of documents one by one, not a list of them."""
    for each in value:
        if not isinstance(each, str):
            raise AdapterError(
                f"a name is {_kind(each)}, expected texts one by one; give them as separate arguments: "
                "remove(adapter, 'a.md', 'b.md')"
            )
    if not value:
        raise AdapterError("no name of a document was given; give at least one")


def are_messages(name: str, value: Any) -> None:
    """Accept a chat."""
    if isinstance(value, str):
        raise RequestError(
            f"{name} is a text, expected the turns of a chat; give {CHAT}, or ask one question with `ask`", param=name
        )
    _check_list(name, value, f"turns such as {CHAT}")
    if not value:
        raise RequestError(f"{name} has no turn; give at least one, such as {CHAT}", param=name)
    for number, turn in enumerate(value):
        if not (isinstance(turn, Mapping) and all(isinstance(turn.get(key), str) for key in ("role", "content"))):
            raise RequestError(
                f"{name}[{number}] is {_kind(turn)}, expected a turn with the texts role and content; give turns "
                f"such as those of {CHAT}",
                param=name,
            )


def are_examples(name: str, value: Any) -> None:
    """Accept a list of examples of a task."""
    _check_list(name, value, "examples")
    for number, item in enumerate(value):
        if not isinstance(item, TaskExample):
            raise RequestError(
                f"{name}[{number}] is {_kind(item)}, expected a lorify.TaskExample; give one such as "
                "lorify.TaskExample('hot', 'cold')",
                param=name,
            )


def is_number_of_tokens(name: str, value: Any) -> None:
    """Accept a positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(name, value, "a whole number of tokens of at least 1", "give an int")


def is_seconds(name: str, value: Any) -> None:
    """Accept a positive time."""
    if not _is_number(value) or not 0 < value < float("inf"):
        raise _wrong(name, value, "a positive number of seconds", "give a float")


def is_keep(name: str, value: Any) -> None:
    """Accept what can be kept of tokens."""
    if value not in KEEPS:
        raise _wrong(name, value, f"one of {', '.join(KEEPS)}", "give one of these")


def is_schema(name: str, value: Any) -> None:
    """Accept a JSON schema or None."""
    if value is not None and not isinstance(value, Mapping):
        raise _wrong(name, value, "a JSON schema", "give a dict, such as json.load reads it")


def check_same_lengths(questions: Sequence[object], **others: Sequence[object] | None) -> None:
    """Check that lists have an item for each question."""
    for name, items in others.items():
        if items is not None and len(items) != len(questions):
            raise RequestError(
                f"{name} has {len(items)} items, but there are {len(questions)} questions; give one for each question",
                param=name,
            )


def _check_list(name: str, value: Any, what: str) -> None:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _wrong(name, value, f"a list of {what}", "put it into a list")


def _wrong(name: str, value: Any, expected: str, advice: str) -> RequestError:
    return RequestError(f"{name} is {_kind(value)}, expected {expected}; {advice}", param=name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """A short value itself, or else its type."""
    if value is None or isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"of type {type(value).__name__}"
