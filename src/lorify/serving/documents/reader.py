"""Documents of requests: read in threads, and refused if they are too many, too long or share a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from lorify.base.model import BaseLM
from lorify.contexts.documents import Document, check_different_names
from lorify.errors import ClosingError, ContextError, ContextTooLargeError
from lorify.serving.documents.parsing import MAX_PARALLEL, DocumentParser, safe_name
from lorify.serving.limits.text_sizes import TextLimits, count_tokens
from lorify.serving.limits.workers import Workers
from lorify.serving.settings import ServingSettings

T = TypeVar("T")


class DocumentReader:
    """Reads the documents of requests; used from one event loop."""

    def __init__(self, base: BaseLM, settings: ServingSettings, max_share: float = 1.0) -> None:
        """Start the parser's first process.

        Args:
            base: counts the tokens of documents.
            settings: limits.
            max_share: share of the parsers and of their queue that one owner may take, 0 to 1.
        """
        self._base = base
        self._settings = settings
        self._limits = TextLimits.of_tokens(base, settings.max_document_tokens)
        self.parser = DocumentParser(
            timeout_seconds=settings.parse_seconds,
            max_memory_bytes=settings.parse_memory_bytes,
            max_bytes=settings.max_upload_bytes,
            max_pages=settings.max_document_pages,
            text_limits=self._limits,
        )
        self._workers = Workers("documents to be parsed", MAX_PARALLEL, settings.max_reading, max_share)
        self._closing_message: str | None = None

    def text_source(self, text: str, name: str) -> Callable[[], Document]:
        """Return a source for `read` of a document sent as text."""
        return partial(self._limits.document, text, safe_name(name))

    async def run(self, call: Callable[[], T], owner: str) -> T:
        """Do other work on the documents of a request in one of the threads.

        Raises:
            BusyError: if too many requests wait for their documents to be read.
        """
        with self._workers.slot(owner):
            return await self._workers.run(call, owner)

    async def read(self, sources: Sequence[Callable[[], Document]], owner: str) -> list[Document]:
        """Read the documents of one request.

        Args:
            sources: functions that return a document each; they run in a thread.
            owner: whose documents they are.

        Raises:
            ContextError: if one cannot be read, two have the same name, or there are too many.
            ContextTooLargeError: if one is too long.
            BusyError: if too many requests wait for their documents to be read.
            ClosingError: if the server is shutting down.
        """
        check_document_count(len(sources), self._settings.max_documents)
        with self._workers.slot(owner):
            documents = [await self._workers.run(partial(self._read, source), owner) for source in sources]
        check_different_names([document.name for document in documents])
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
        limit = self._settings.max_document_tokens
        if count_tokens(self._base, document.text, limit) > limit:
            raise ContextTooLargeError(
                f"document {document.name} has too many tokens, the limit is {limit:,}; split it"
            )
        return document


def check_document_count(count: int, limit: int) -> None:
    """Raise a ContextError if an adapter would hold more documents than allowed."""
    if count > limit:
        raise ContextError(f"{count} documents given, the limit for one adapter is {limit}; use several adapters")
