"""Work of requests that runs in threads, which ends when its request does or when the server shuts down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lorify.cancellation import CancelToken
from lorify.errors import ClosingError


class RunningWork:
    """The cancel tokens of running work; used from one event loop."""

    def __init__(self) -> None:
        """Start without work."""
        self._tokens: set[CancelToken] = set()
        self._closing_message: str | None = None

    @contextmanager
    def token(self) -> Iterator[CancelToken]:
        """Provide the token of new work; it is cancelled when the request that waits for the work ends."""
        token = CancelToken()
        if self._closing_message is not None:
            token.cancel(ClosingError(self._closing_message))
        self._tokens.add(token)
        try:
            yield token
        finally:
            self._tokens.discard(token)
            token.cancel()

    def stop(self, message: str) -> None:
        """Cancel all work, and whatever begins later, with a ClosingError of this message."""
        self._closing_message = message
        for token in self._tokens:
            token.cancel(ClosingError(message))
