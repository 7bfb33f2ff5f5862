"""Documents of requests: read in threads, and refused if they are too many, too long or share a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.errors import ClosingError, ContextError, ContextTooLargeError
from lorify.serving.documents.parsing import MAX_PARALLEL, DocumentParser
from lorify.serving.settings import ServingSettings
from lorify.serving.workers import Workers


class DocumentReader:
    """Reads the documents of requests; used from one event loop."""

    def __init__(self, base: BaseLM, settings: ServingSettings) -> None:
        """Start the parser's first process."""
        self._base = base
        self._settings = settings
        self.parser = DocumentParser(
            timeout_seconds=settings.parse_seconds,
            max_memory_bytes=settings.parse_memory_bytes,
            max_bytes=settings.max_upload_bytes,
            max_pages=settings.max_document_pages,
        )
        self._workers = Workers("documents to be parsed", MAX_PARALLEL, settings.max_reading)
        self._closing_message: str | None = None

    async def read(self, sources: Sequence[Callable[[], Document]]) -> list[Document]:
        """Read the documents of one request.

        Args:
            sources: functions that return a document each; they run in a thread.

        Raises:
            ContextError: if one cannot be read, two have the same name, or there are too many.
            ContextTooLargeError: if one is too long.
            BusyError: if too many requests wait for their documents to be read.
            ClosingError: if the server is shutting down.
        """
        check_document_count(len(sources), self._settings.max_documents)
        with self._workers.slot():
            documents = [await self._workers.run(partial(self._read, source)) for source in sources]
        names = [document.name for document in documents]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ContextError(f"two documents are named {repeated[0]!r}; give each its own name")
        return documents

    def stop(self, message: str) -> None:
        """Refuse documents that are not being read yet with a ClosingError of this message."""
        self._closing_message = message

    def close(self) -> None:
        """End the threads and processes."""
        self._workers.close()
        self.parser.close()

    def _read(self, source: Callable[[], Document]) -> Document:
        if self._closing_message is not None:
            raise ClosingError(self._closing_message)
        document = source()
        num_tokens = len(self._base.encode_text(document.text))
        if num_tokens > self._settings.max_document_tokens:
            raise ContextTooLargeError(
                f"document {document.name} has {num_tokens:,} tokens, the limit is "
                f"{self._settings.max_document_tokens:,}; split it"
            )
        return document


def check_document_count(count: int, limit: int) -> None:
    """Raise a ContextError if an adapter would hold more documents than allowed."""
    if count > limit:
        raise ContextError(f"{count} documents given, the limit for one adapter is {limit}; use several adapters")
