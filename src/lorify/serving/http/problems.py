"""Describe what pydantic found wrong with a request: each problem once, with its field, and without internals."""

from __future__ import annotations

from typing import Any

_UNSUPPORTED = "this field is not supported; leave it out"

_MESSAGES = {
    "extra_forbidden": _UNSUPPORTED,
    "missing": "this field is required",
    "model_attributes_type": "expected an object",
    "model_type": "expected an object",
    "dict_type": "expected an object",
    "tuple_type": "expected a list",
    "none_required": "only null is supported",
    "string_type": "expected a text",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "too_short": "expected at least {min_length}, got {actual_length}",
    "too_long": "expected at most {max_length}, got {actual_length}",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "less_than_equal": "expected at most {le:g}",
}
"""Type of a problem that pydantic found -> the message, with the fields of its context."""

_INSTEAD = {
    "functions": "send tools instead",
    "messages": "send input instead, or the request to /v1/chat/completions",
    "input": "send messages instead, or the request to /v1/responses",
    "previous_response_id": "nothing is stored, so send the whole chat as input",
    "conversation": "nothing is stored, so send the whole chat as input",
}
"""Field that a body does not have -> what to do instead."""

MAX_PROBLEMS = 10


def describe_validation(problems: Any) -> tuple[str, str | None]:
    """Summarize pydantic's validation errors.

    Returns:
        All problems in one line (at most 10), and the first field at fault.
    """
    found: dict[str, str] = {}  # path of the field -> message
    parents: set[str] = set()  # of the fields in `found`
    for problem in problems:
        if problem["type"] == "json_invalid":
            reason = problem.get("ctx", {}).get("error", problem["msg"])
            if "hex escape" in reason:  # what pydantic's parser says to it does not help
                reason += "; a lone surrogate, half of a character, is not valid Unicode"
            return f"the body is not valid JSON ({reason})", None
        parts = [str(part) for part in problem["loc"] if part != "body"]
        where = ".".join(parts)
        # A list whose items have problems is reported as too short as well.
        if where not in found and where not in parents:
            found[where] = _describe_problem(problem)
            parents |= {".".join(parts[:size]) for size in range(1, len(parts))}
    lines = [f"{where}: {message}" if where else message for where, message in found.items()]
    return "; ".join(lines[:MAX_PROBLEMS]), next((where for where in found if where), None)


def _describe_problem(problem: Any) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden" and problem["loc"][-1] in _INSTEAD:
        return f"this field is not supported; {_INSTEAD[problem['loc'][-1]]}"
    message = _MESSAGES.get(kind) or str(problem["msg"]).removeprefix("Value error, ")
    return message.format(**problem.get("ctx", {})) if kind in _MESSAGES else message
