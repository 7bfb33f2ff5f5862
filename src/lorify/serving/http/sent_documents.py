"""The documents of a request, which may be read after it was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from lorify.contexts.documents import Document
from lorify.errors import RequestError
from lorify.serving.documents.parsing import DocumentParser
from lorify.serving.http.schemas.lorify_routes import NewDocument
from lorify.serving.service import Service

MAX_FORM_FIELDS = 100
"""Limit on the fields of an upload that are no files."""


@dataclass(frozen=True)
class SentDocuments:
    """Documents that have arrived and are not read yet.

    Attributes:
        sources: functions that read a document each.
        form: the form that holds their files, on disk if they are large; None for documents sent as text.
    """

    sources: Sequence[Callable[[], Document]]
    form: FormData | None = None

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.sources)

    @classmethod
    def texts(cls, service: Service, texts: Sequence[NewDocument]) -> SentDocuments:
        """Take documents sent as text."""
        return cls([service.documents.text_source(text.text, text.name) for text in texts])

    @classmethod
    async def uploaded(cls, request: Request, service: Service) -> SentDocuments:
        """Take documents sent as files.

        Raises:
            RequestError: if the form has no file.
        """
        form = await request.form(max_files=service.settings.max_documents, max_fields=MAX_FORM_FIELDS)
        # Clients send other fields too, such as OpenAI's `purpose`, and some call the file `files` or `file[]`.
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            await form.close()
            raise RequestError("the form has no file; send each document as a file in the field `file`", param="file")
        return cls([partial(_parse, service.documents.parser, file) for file in files], form)

    async def read(self, service: Service, owner: str) -> list[Document]:
        """Read the documents, once; see `DocumentReader.read`."""
        try:
            return await service.documents.read(self.sources, owner)
        finally:
            if self.form is not None:
                await self.form.close()


def _parse(parser: DocumentParser, upload: UploadFile) -> Document:
    return parser.parse(upload.file.read(), upload.filename or "document")
