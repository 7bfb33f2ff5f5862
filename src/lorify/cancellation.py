"""Cancelling long work that runs in another thread.

Work that can be cancelled takes a `CancelToken` and checks it between its steps. Progress callbacks only report.
"""

from __future__ import annotations

from concurrent.futures import CancelledError


class CancelToken:
    """Tells running work to stop. Thread-safe; once cancelled, a token stays cancelled."""

    def __init__(self) -> None:
        """Start uncancelled."""
        self._error: BaseException | None = None

    def cancel(self, error: BaseException | None = None) -> None:
        """Make every later check raise; only the first call counts.

        Args:
            error: what the checks raise; by default `concurrent.futures.CancelledError`.
        """
        if self._error is None:
            self._error = error or CancelledError()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._error is not None

    def raise_if_cancelled(self) -> None:
        """Raise the error given to `cancel`; do nothing if the token is not cancelled."""
        if self._error is not None:
            raise self._error
