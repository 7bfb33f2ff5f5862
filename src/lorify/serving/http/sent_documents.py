"""The documents of a request, which may be read after it was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from lorify.contexts.documents import Document
from lorify.errors import RequestError
from lorify.hypernets.options import NO_OPTIONS, InternalizerOptions
from lorify.serving.documents.parsing import DocumentParser
from lorify.serving.http.problems import describe_validation
from lorify.serving.http.schemas.lorify_routes import NewDocument, UploadOptions
from lorify.serving.service import Service

MAX_FORM_FIELDS = 100
"""Limit on the form fields of an upload, files not counted."""


@dataclass(frozen=True)
class SentDocuments:
    """Documents that have arrived and are not read yet.

    Attributes:
        sources: functions that read a document each.
        form: the form that holds their files, on disk if they are large; None for documents sent as text.
        options: options of the hypernetwork that were given.
        study: seconds of study; None if it was not given.
    """

    sources: Sequence[Callable[[], Document]]
    form: FormData | None = None
    options: InternalizerOptions = NO_OPTIONS
    study: float | None = None

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.sources)

    @classmethod
    def texts(
        cls,
        service: Service,
        texts: Sequence[NewDocument],
        *,
        options: InternalizerOptions = NO_OPTIONS,
        study: float | None = None,
    ) -> SentDocuments:
        """Take documents sent as text."""
        sources = [service.documents.text_source(text.text, text.name) for text in texts]
        return cls(sources, options=options, study=study)

    @classmethod
    async def uploaded(cls, request: Request, service: Service) -> SentDocuments:
        """Take documents sent as files.

        Raises:
            RequestError: if the form has no file, or an option is out of range.
        """
        form = await request.form(max_files=service.settings.max_documents, max_fields=MAX_FORM_FIELDS)
        # Clients send other fields too, such as OpenAI's `purpose`, and some call the file `files` or `file[]`.
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            await form.close()
            raise RequestError("the form has no file; send each document as a file in the field `file`", param="file")
        try:
            options = UploadOptions.model_validate(dict(form))
        except ValidationError as error:
            await form.close()
            message, param = describe_validation(error.errors(include_url=False, include_input=False))
            raise RequestError(message, param=param) from error
        sources = [partial(_parse, service.documents.parser, file) for file in files]
        return cls(sources, form, InternalizerOptions(bias_scale=options.bias_scale), options.study)

    async def read(self, service: Service, owner: str) -> list[Document]:
        """Read the documents, once; see `DocumentReader.read`."""
        try:
            return await service.documents.read(self.sources, owner)
        finally:
            await self.close()

    async def close(self) -> None:
        """Delete the files."""
        if self.form is not None:
            await self.form.close()


def _parse(parser: DocumentParser, upload: UploadFile) -> Document:
    return parser.parse(upload.file.read(), upload.filename or "document")
