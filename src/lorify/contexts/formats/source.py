"""The content of a file to be read as text, with the limits for readers."""

from __future__ import annotations

from dataclasses import dataclass

from lorify.errors import ContextError, ContextTooLargeError

BINARY_ADVICE = "give txt, md, html, pdf, docx, pptx, xlsx or the like"


@dataclass(frozen=True)
class FileContent:
    """A file to be read as text.

    Attributes:
        data: its content.
        name: name of the document.
        suffix: suffix of the file name in lower case, such as `.pdf`; may be empty.
        max_bytes: maximum size of the content, also when unpacked.
        max_pages: maximum number of pages of a PDF; None for no limit.
        ocr: whether scanned pages may be read by OCR, which starts a program.
    """

    data: bytes
    name: str
    suffix: str
    max_bytes: int
    max_pages: int | None = None
    ocr: bool = False

    def damaged(self, reason: str) -> ContextError:
        """Return the error to raise if the content is not what its format requires."""
        return ContextError(f"document {self.name} is damaged and cannot be read ({reason}); save it again")

    def too_large(self, num_bytes: int) -> ContextTooLargeError:
        """Return the error to raise if the content has too many bytes when unpacked."""
        return ContextTooLargeError(
            f"document {self.name} has {num_bytes:,} bytes when unpacked, at most {self.max_bytes:,} are read; split it"
        )
