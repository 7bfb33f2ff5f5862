"""Every error lorify raises on purpose.

    LorifyError (ValueError)      the wrong value, what was expected, and what to do
    ├── BaseModelError            a base model is unknown, damaged, unsupported or cannot be downloaded
    ├── ContextError              a document is missing, empty, unreadable or too large
    │   └── ContextTooLargeError  it exceeds a limit on its size or on the cost of reading it
    ├── AdapterError              an adapter is damaged, foreign or made for another base model
    │   ├── UnknownAdapterError   the store has no such adapter for this owner
    │   ├── StorageLimitError     an owner's adapters exceed what one owner may store
    │   └── StoreError            the store itself cannot be read or written
    │       └── StoreFullError    an adapter exceeds the store's limit or its disk
    ├── HypernetworkError         a hypernetwork checkpoint is damaged, foreign or of another shape
    ├── ExtractorError            an extractor is damaged, or its encoder cannot be loaded
    ├── ConfigError               a configuration has unknown keys or bad values (all are listed)
    ├── SchemaError               a JSON schema for answers is invalid or cannot be enforced
    ├── TrainingError             meta-training cannot start, resume or write
    ├── EvaluationError           an evaluation cannot run on the data it was given
    └── ServingError              a request to a server cannot be answered
        ├── RequestError          the request itself is wrong, or too large
        ├── AccessError           it has no API key, or an unknown one
        ├── ForbiddenError        its API key does not allow it
        ├── UnknownModelError     it names a model that is not served
        ├── UnknownJobError       it names a job that is not there, or not any more
        ├── BusyError             too many requests are waiting
        ├── ClosingError          the server is shutting down
        ├── TooSlowError          the answer was not ready in time
        └── EngineError           the inference backend failed or is unreachable

Messages are one line; the command line prints them and exits with code 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class LorifyError(ValueError):
    """Root of lorify's errors: a problem that the user can fix."""


class BaseModelError(LorifyError):
    """A base model is unknown, damaged, unsupported or cannot be downloaded."""


class ContextError(LorifyError):
    """A document is missing, empty, unreadable or too large."""


class ContextTooLargeError(ContextError):
    """A document exceeds a limit on its size or on the cost of reading it."""


class AdapterError(LorifyError):
    """An adapter is damaged, foreign or made for another base model."""


class UnknownAdapterError(AdapterError):
    """The owner has no adapter with this id; owners do not learn of the adapters of others."""


class StorageLimitError(AdapterError):
    """An owner's adapters exceed what one owner may store; the owner can delete some."""


class StoreError(AdapterError):
    """A store cannot be read or written, which only its operator can fix."""


class StoreFullError(StoreError):
    """An adapter exceeds the size limit of the store or its disk."""


class HypernetworkError(LorifyError):
    """A hypernetwork checkpoint is damaged, foreign or of another shape."""


class ExtractorError(LorifyError):
    """An extractor is damaged, or its encoder cannot be loaded."""


class ConfigError(LorifyError):
    """A configuration has unknown keys or bad values."""


class SchemaError(LorifyError):
    """A JSON schema for answers is invalid, or has keywords that decoding cannot enforce."""


class TrainingError(LorifyError):
    """Meta-training cannot start, resume or write."""


class EvaluationError(LorifyError):
    """An evaluation cannot run on the data it was given."""


class ServingError(LorifyError):
    """A request to a server cannot be answered."""


class RequestError(ServingError):
    """A request is wrong or too large.

    Attributes:
        param: the invalid field, or None if it is not a single one.
        code: a machine-readable name of the error, or None.
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        """Store the message, the field and the code."""
        super().__init__(message)
        self.param = param
        self.code = code


class AccessError(ServingError):
    """A request has no API key, or an unknown one."""


class ForbiddenError(ServingError):
    """The API key of a request does not allow it."""


class UnknownModelError(ServingError):
    """A request names a model that is not served."""


class UnknownJobError(ServingError):
    """The owner has no job with this id, or it has been forgotten."""


class BusyError(ServingError):
    """Too many requests are waiting.

    Attributes:
        retry_after_seconds: time after which to try again, in seconds.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        """Store the message and the time."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ClosingError(ServingError):
    """The server is shutting down and accepts no more requests."""


class TooSlowError(ServingError):
    """An answer was not ready within its time limit."""


class EngineError(ServingError):
    """The inference backend failed or is unreachable."""


def first_problem(error: ValidationError) -> str:
    """Return the first problem that pydantic found, with the path of the field if it is one, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
