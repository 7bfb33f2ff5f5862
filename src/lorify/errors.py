"""Every error lorify raises on purpose.

    LorifyError (ValueError)      what is wrong with which value; what was expected; the way out
    ├── BaseModelError            a base model is unknown, damaged, unsupported or cannot be fetched
    ├── ContextError              a document is missing, empty, unreadable or too large
    │   └── ContextTooLargeError  it goes beyond a limit on its size, or on the cost of reading it
    ├── AdapterError              an adapter is damaged, foreign or made for another base model
    │   ├── UnknownAdapterError   the store has no such adapter for this owner
    │   └── StoreError            the store itself cannot be read or written
    │       └── StoreFullError    an adapter does not fit within the store's limit, or on its disk
    ├── HypernetworkError         a hypernetwork checkpoint is damaged, foreign or of another shape
    ├── ConfigError               a configuration has unknown keys or bad values (all are listed)
    ├── TrainingError             meta-training cannot start, resume or write
    ├── EvaluationError           an evaluation cannot run on the data it was given
    └── ServingError              a request to a server cannot be answered
        ├── RequestError          the request itself is wrong, or too large
        ├── AccessError           it has no API key, or an unknown one
        ├── UnknownModelError     it names a model that is not served
        ├── BusyError             too many requests wait already
        ├── ClosingError          the server is about to end
        ├── TooSlowError          the answer has not come in time
        └── EngineError           what does the answering has failed, or is not there

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


class ContextTooLargeError(ContextError):
    """A document goes beyond a limit on its size, or on the cost of reading it."""


class AdapterError(LorifyError):
    """An adapter is damaged, foreign or made for another base model."""


class UnknownAdapterError(AdapterError):
    """The owner has no adapter of this id; others may, which is not theirs to know."""


class StoreError(AdapterError):
    """A store cannot be read or written: something for whoever runs it, not for its clients."""


class StoreFullError(StoreError):
    """An adapter does not fit within the size limit of the store, or on its disk."""


class HypernetworkError(LorifyError):
    """A hypernetwork checkpoint is damaged, foreign or of another shape."""


class ConfigError(LorifyError):
    """A configuration has unknown keys or bad values."""


class TrainingError(LorifyError):
    """Meta-training cannot start, resume or write."""


class EvaluationError(LorifyError):
    """An evaluation cannot run on the data it was given."""


class ServingError(LorifyError):
    """A request to a server cannot be answered."""


class RequestError(ServingError):
    """A request is wrong or too large.

    Attributes:
        param: the field that is wrong, None if it is not a single one.
        code: a word that programs may go by.
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        """Take the message and what it is about."""
        super().__init__(message)
        self.param = param
        self.code = code


class AccessError(ServingError):
    """A request has no API key, or an unknown one."""


class UnknownModelError(ServingError):
    """A request names a model that is not served."""


class BusyError(ServingError):
    """Too many requests wait already.

    Attributes:
        retry_after_seconds: when it may be worth trying again.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        """Take the message and the time."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ClosingError(ServingError):
    """The server is about to end and takes no more requests."""


class TooSlowError(ServingError):
    """An answer has not come within the time there was for it."""


class EngineError(ServingError):
    """What does the answering has failed, or is not there."""


def first_problem(error: ValidationError) -> str:
    """Where the content of a file is wrong, and how: the first of pydantic's findings, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'all of it'}: {first['msg']}"
