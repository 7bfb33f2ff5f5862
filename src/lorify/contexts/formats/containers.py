"""Tell apart formats stored as zip archives or OLE containers, by their content."""

from __future__ import annotations

import io
import zipfile

from lorify.contexts.formats.source import FileContent
from lorify.errors import ContextError

ZIP_MAGIC = b"PK\x03\x04"
OLE_MAGIC = b"\xd0\xcf\x11\xe0"

_OFFICE_TYPES = {b"wordprocessingml": "docx", b"spreadsheetml": "xlsx", b"presentationml": "pptx"}
_MIME_TYPES = {b"application/epub+zip": "epub", b"application/vnd.oasis.opendocument": "odf"}
_MAX_TYPE_BYTES = 1 << 20
_ENCRYPTED = 1
"""Flag of an encrypted member of a zip archive."""
_OLE_STREAMS = {"Workbook": "xls", "Book": "xls", "__properties_version1.0": "msg"}
_REFUSED_STREAMS = {
    "EncryptedPackage": "is encrypted; save it without a password",
    "WordDocument": "is in an old Office format (.doc); save it as .docx",
    "PowerPoint Document": "is in an old Office format (.ppt); save it as .pptx",
}


def check_archive(source: FileContent) -> None:
    """Refuse a zip archive, or a zipped Office document, that is damaged or too large when unpacked.

    Raises:
        ContextError: if its list of members is damaged.
        ContextTooLargeError: if it is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            num_bytes = sum(member.file_size for member in archive.infolist())
    except Exception as error:  # zipfile raises all kinds of exceptions on damaged archives
        raise source.damaged("no complete archive") from error
    if num_bytes > source.max_bytes:
        raise source.too_large(num_bytes)


def archive_kind(source: FileContent) -> str:
    """Return the format of a zip archive: docx, xlsx, pptx, epub, odf, or zip for any other archive.

    Raises:
        ContextError: if the member that shows the format is damaged or encrypted.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            return _kind_by_members(archive, source.name)
    except ContextError:
        raise
    except Exception as error:
        raise source.damaged("an unreadable member") from error


def _kind_by_members(archive: zipfile.ZipFile, name: str) -> str:
    members = {member.filename: member for member in archive.infolist()}
    for member, kinds in (("mimetype", _MIME_TYPES), ("[Content_Types].xml", _OFFICE_TYPES)):
        if member in members and members[member].file_size <= _MAX_TYPE_BYTES:
            if members[member].flag_bits & _ENCRYPTED:
                raise ContextError(f"document {name} is encrypted; save it without a password")
            content = archive.read(member)
            found = [kind for mark, kind in kinds.items() if mark + b".document.main" in content]
            found += [kind for mark, kind in kinds.items() if mark in content]
            if found:
                return found[0]
    folders = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx", "ppt/presentation.xml": "pptx"}
    return next((kind for member, kind in folders.items() if member in members), "zip")


def ole_kind(source: FileContent) -> str:
    """Return the format of an OLE container: xls or msg.

    Raises:
        ContextError: if it is encrypted, or has an unsupported format.
    """
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(source.data)) as file:
            streams = {path[0] for path in file.listdir()}
    except Exception:  # olefile raises all kinds of exceptions on damaged files
        streams = set()
    for stream, reason in _REFUSED_STREAMS.items():
        if stream in streams:
            raise ContextError(f"document {source.name} {reason}")
    kind = next((kind for stream, kind in _OLE_STREAMS.items() if stream in streams), None)
    if kind is None:
        raise ContextError(
            f"document {source.name} is encrypted or in an old Office format; save it without a password as .docx or "
            ".pdf"
        )
    return kind
