"""Errors of a store as its clients see them."""

from __future__ import annotations

import logging
from pathlib import Path

from lorify import atomic
from lorify.errors import StoreError, StoreFullError

_log = logging.getLogger(__name__)


def store_write_error(store_dir: Path, error: BaseException) -> StoreError:
    """Log a failed write and return the error to raise for it.

    The log names the store's folder; the message does not, since clients should not learn it.

    Returns:
        A StoreFullError if the disk is full, else a StoreError.
    """
    _log.error("store %s cannot be written: %s", store_dir, error)
    reason = atomic.failure_reason(error)
    kind = StoreFullError if reason == atomic.DISK_FULL else StoreError
    return kind(f"the store cannot be written ({reason}); ask the server's administrator to free space or fix the disk")
