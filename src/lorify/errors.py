"""Every error lorify raises on purpose.

    LorifyError (ValueError)      what is wrong with which value; what was expected; the way out
    ├── BaseModelError            a base model is unknown, damaged, unsupported or cannot be fetched
    ├── ContextError              a document is missing, empty, unreadable or too large
    ├── AdapterError              an adapter is damaged, foreign or made for another base model
    │   ├── UnknownAdapterError   the store has no such adapter for this owner
    │   └── StoreFullError        an adapter does not fit within the store's limit
    ├── HypernetworkError         a hypernetwork checkpoint is damaged, foreign or of another shape
    ├── ConfigError               a configuration has unknown keys or bad values (all are listed)
    ├── TrainingError             meta-training cannot start, resume or write
    └── EvaluationError           an evaluation cannot run on the data it was given

Messages are one line; the command line prints them and exits with code 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class LorifyError(ValueError):
    """Root of lorify's errors: something a user can put right."""


class BaseModelError(LorifyError):
    """A base model is unknown, damaged, unsupported or cannot be fetched."""


class ContextError(LorifyError):
    """A document is missing, empty, unreadable or too large."""


class AdapterError(LorifyError):
    """An adapter is damaged, foreign or made for another base model."""


class UnknownAdapterError(AdapterError):
    """The owner has no adapter of this id; others may, which is not theirs to know."""


class StoreFullError(AdapterError):
    """An adapter does not fit within the size limit of the store."""


class HypernetworkError(LorifyError):
    """A hypernetwork checkpoint is damaged, foreign or of another shape."""


class ConfigError(LorifyError):
    """A configuration has unknown keys or bad values."""


class TrainingError(LorifyError):
    """Meta-training cannot start, resume or write."""


class EvaluationError(LorifyError):
    """An evaluation cannot run on the data it was given."""


def first_problem(error: ValidationError) -> str:
    """Where the content of a file is wrong, and how: the first of pydantic's findings, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'all of it'}: {first['msg']}"
