"""A response that sends a file, and cleans up when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send


class TemporaryFile(FileResponse):
    """A file that is read while it is sent and removed afterwards, also if the client disconnects."""

    def __init__(self, path: Path, ended: Callable[[], object], **options: Any) -> None:
        """Take the file, what is called at the end, and further options of `FileResponse`."""
        super().__init__(path, **options)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()
