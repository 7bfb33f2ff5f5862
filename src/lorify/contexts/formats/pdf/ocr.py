"""Read the words of scanned pages with the program tesseract, if it is installed."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from pypdfium2 import PdfPage

from lorify.contexts.formats.pdf.boxes import Box

if TYPE_CHECKING:
    import numpy as np

ENGINE = "tesseract"
_DOTS_PER_INCH = 300
_MAX_DOTS = 40_000_000
"""Pages with more dots than this are rendered at a lower resolution."""
_PAGE_SECONDS = 120
_MIN_CONFIDENCE = 30.0
_LINE, _WORD = "4", "5"
"""Levels in tesseract's table of results."""
_ROTATION = re.compile(r"^Rotate: (90|180|270)$", re.M)


def find_engine() -> str | None:
    """Return the path of tesseract; None if it is not installed."""
    return shutil.which(ENGINE)


def recognize_words(page: PdfPage, engine: str) -> list[Box]:
    """Recognize the words of a page that is a picture, even if it lies on its side.

    Args:
        page: the page.
        engine: path of tesseract.

    Returns:
        The words, with boxes in points from the upper left corner of the upright page; empty if there are none.
    """
    width, height = page.get_size()
    scale = min(_DOTS_PER_INCH / 72, (_MAX_DOTS / max(1.0, width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)  # type: ignore[reportArgumentType]
    picture = bitmap.to_numpy().squeeze()
    turns = int((_ROTATION.search(_run(engine, picture, "--psm", "0")) or [0, 0])[1]) // 90
    return _words(_run(engine, _turned(picture, turns), "-l", _languages(engine), "tsv"), scale)


def _turned(picture: np.ndarray, turns: int) -> np.ndarray:
    """Rotate a picture clockwise by a number of right angles."""
    import numpy as np

    return np.rot90(picture, -turns)


def _words(table: str, scale: float) -> list[Box]:
    words: list[Box] = []
    top = bottom = 0.0
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        place = [int(row[name]) / scale for name in ("left", "top", "width", "height")]
        if row["level"] == _LINE:  # a word is only as high as its highest letter, a line as high as its font
            top, bottom = place[1], place[1] + place[3]
        elif row["level"] == _WORD and row["text"].strip() and float(row["conf"]) >= _MIN_CONFIDENCE:
            right = place[0] + place[2]
            words.append(Box(row["text"].strip(), place[0], top, right, bottom, bottom - top, len(words)))
    return words


@cache
def _languages(engine: str) -> str:
    """Return all installed languages, in tesseract's syntax."""
    listed = subprocess.run(
        [engine, "--list-langs"], capture_output=True, text=True, check=False, timeout=_PAGE_SECONDS
    )
    found = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return "+".join(language for language in found if language not in ("", "osd")) or "eng"


def _run(engine: str, picture: np.ndarray, *options: str) -> str:
    """Run tesseract on a picture and return its output, which is empty if it fails."""
    height, width = picture.shape
    data = b"P5\n%d %d\n255\n" % (width, height) + picture.tobytes()
    command = [engine, "stdin", "stdout", "--dpi", str(_DOTS_PER_INCH), *options]
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}  # its threads busy-wait for each other
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, check=False, timeout=_PAGE_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""
