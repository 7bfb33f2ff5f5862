"""Images as contexts: read from a file (PNG, JPEG, WebP ...) or from memory, told apart from documents by content."""

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
        image: its pixels, in RGB, turned the way it is to be seen.
        digest: SHA-256 of its content, and of its caption if it has one.
        caption: text that a vision-language encoder reads along with it.
    """

    name: str
    image: Image.Image
    digest: str
    caption: str = ""


Context = Document | ImageContext
"""What is internalized."""


def read_context(path: Path | str) -> Context:
    """Read an image or a document, whichever a file holds; `-` is a document on standard input.

    Raises:
        ContextError: if it is missing, empty, too large, damaged or of no readable kind.
    """
    return read_image(Path(path)) if str(path) != "-" and _is_image(Path(path)) else read_document(path)


def read_image(source: ImageSource, *, name: str = "image", caption: str = "") -> ImageContext:
    """An image from a file or from memory.

    Args:
        source: the file, or the image.
        name: what an image in memory is called; a file has a name.
        caption: text that a vision-language encoder reads along with it.

    Raises:
        ContextError: if the file is missing, is no image, or is damaged or too large.
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
        warnings.simplefilter("ignore")  # Pillow's own word on large or odd files; ours are errors
        return _decode(data, shown, caption)


def image_not_supported(image: ImageContext, reader: str) -> ContextError:
    """The error of an image where only text is read."""
    return ContextError(
        f"{image.name} is an image, but {reader} reads text only; images need a hypernetwork whose context encoder "
        "reads them, given with --hypernetwork (see docs/images.md)"
    )


def as_text(context: Context, reader: str) -> Document:
    """The document, for `reader`, which reads no images.

    Raises:
        ContextError: if it is an image.
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
        raise ContextError(f"{name} is no image that can be read; give png, jpg, webp or the like") from error
    except Exception as error:  # decoders raise whatever the damage makes them stumble over
        raise ContextError(f"image {name} is damaged ({type(error).__name__}); save it again") from error


def _image_context(image: Image.Image, name: str, data: bytes, caption: str) -> ImageContext:
    digest = hashlib.sha256(data + (b"\0" + caption.encode() if caption else b"")).hexdigest()
    return ImageContext(name, image.convert("RGB"), digest, caption)


def _is_image(path: Path) -> bool:
    """Whether a file begins as images do, or is called like one."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    begins = start.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")) or start[8:12] == b"WEBP"
    return begins or path.suffix.lower() in IMAGE_SUFFIXES
