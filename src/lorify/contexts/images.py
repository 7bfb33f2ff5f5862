"""Images as contexts, read from a file (PNG, JPEG, WebP, ...) or from memory.

Files are recognized as images by their content, or else by their suffix.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from lorify.contexts.documents import MAX_BYTES, Document, read_document
from lorify.errors import ContextError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 100_000_000

ImageSource = Path | Image.Image
"""An image file, or an image in memory."""


@dataclass(frozen=True)
class ImageContext:
    """An image to internalize.

    Attributes:
        name: file name or title.
        image: the image in RGB, rotated upright.
        digest: SHA-256 of its content and caption.
        caption: text that a vision-language encoder reads together with the image; may be empty.
    """

    name: str
    image: Image.Image
    digest: str
    caption: str = ""


Context = Document | ImageContext
"""A context to internalize."""

ContextSource = Context | Image.Image | Path | str
"""A document or an image, or a path to one (`-` is standard input)."""


def as_context(source: ContextSource) -> Context:
    """Read a document or image unless it was already read.

    Raises:
        ContextError: as for `read_context` and `read_image`.
    """
    if isinstance(source, Image.Image):
        return read_image(source)
    return read_context(source) if isinstance(source, str | Path) else source


def read_context(path: Path | str) -> Context:
    """Read an image or a document.

    Args:
        path: a file, or `-` for a document on standard input.

    Raises:
        ContextError: if it is missing, empty, too large, damaged or of an unsupported format.
    """
    return read_image(Path(path)) if str(path) != "-" and _is_image(Path(path)) else read_document(path)


def read_image(source: ImageSource, *, name: str = "image", caption: str = "") -> ImageContext:
    """Read an image from a file or from memory.

    Args:
        source: an image file, or an image in memory.
        name: name of an image in memory; a file keeps its own name.
        caption: text that a vision-language encoder reads together with the image.

    Raises:
        ContextError: if the file is missing, is not an image, is damaged, or is too large.
    """
    if isinstance(source, Image.Image):
        data = f"{source.mode} {source.size} ".encode() + source.tobytes()
        return _image_context(source, name, data, caption)
    shown = os.fsencode(source.name).decode(errors="replace")
    try:
        if source.stat().st_size > MAX_BYTES:
            raise ContextError(f"image {shown} has more than {MAX_BYTES:,} bytes; scale it down")
        data = source.read_bytes()
    except OSError as error:
        raise ContextError(f"image {source} cannot be read ({error.strerror}); check the path") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large and unusual files; lorify raises its own errors
        return _decode(data, shown, caption)


def image_not_supported(image: ImageContext, reader: str) -> ContextError:
    """Return the error to raise for an image that is given to a text-only reader.

    Args:
        image: the image.
        reader: name of the model or hypernetwork that reads only text, for messages.
    """
    return ContextError(
        f"{image.name} is an image, but {reader} reads text only; images need a hypernetwork whose context encoder "
        "reads them, given with --hypernetwork (see docs/images.md)"
    )


def as_text(context: Context, reader: str) -> Document:
    """Return a context as a document, for a text-only reader.

    Args:
        context: the context.
        reader: name of the model or hypernetwork that reads only text, for messages.

    Raises:
        ContextError: if the context is an image.
    """
    if isinstance(context, ImageContext):
        raise image_not_supported(context, reader)
    return context


def _decode(data: bytes, name: str, caption: str) -> ImageContext:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ContextError(
                    f"image {name} has {opened.width:,} x {opened.height:,} pixels, at most {MAX_PIXELS:,} in all are "
                    "read; scale it down"
                )
            return _image_context(ImageOps.exif_transpose(opened), name, data, caption)
    except ContextError:
        raise
    except UnidentifiedImageError as error:
        raise ContextError(f"{name} is not a readable image; give png, jpg, webp or the like") from error
    except Exception as error:  # decoders raise all kinds of exceptions on damaged files
        raise ContextError(f"image {name} is damaged ({type(error).__name__}); save it again") from error


def _image_context(image: Image.Image, name: str, data: bytes, caption: str) -> ImageContext:
    digest = hashlib.sha256(data + (b"\0" + caption.encode() if caption else b"")).hexdigest()
    return ImageContext(name, image.convert("RGB"), digest, caption)


def _is_image(path: Path) -> bool:
    """Return whether a file starts with the bytes or has the suffix of an image format."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(16)
    except (OSError, ValueError):  # a text instead of a path may be too long for a path or contain a null byte
        return False
    begins = start.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")) or start[8:12] == b"WEBP"
    return begins or path.suffix.lower() in IMAGE_SUFFIXES
