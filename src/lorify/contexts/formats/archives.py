"""Zip archives of documents: each document is listed under its name."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import PurePosixPath

from lorify.contexts.formats.registry import read_source
from lorify.contexts.formats.source import FileContent
from lorify.errors import ContextError, ContextTooLargeError


def read_zip(source: FileContent) -> str:
    """Read the documents of a zip archive; other files are skipped.

    Raises:
        ContextError: if it has no readable document.
        ContextTooLargeError: if its documents are too large.
    """
    parts, reasons = [], []
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in path.parts):
                continue
            if path.suffix.lower() == ".zip":
                reasons.append(f"{path} is an archive itself")
                continue
            data = archive.read(member)
            try:
                inner = replace(source, data=data, name=member.filename, suffix=path.suffix.lower())
                parts.append(f"# {member.filename}\n\n{read_source(inner)}")
            except ContextTooLargeError:
                raise
            except ContextError as error:
                reasons.append(str(error))
    if not parts:
        reason = reasons[0] if reasons else "it is empty"
        raise ContextError(f"document {source.name} is an archive without a readable document ({reason}); unpack it")
    return "\n\n".join(parts)
