"""Images with questions: folders of class folders, JSON lines, and the handwritten digits of scikit-learn."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from lorify.data.examples import Example, Question
from lorify.data.number_words import NUMBER_WORDS
from lorify.data.sources.json_lines import read_json_lines
from lorify.data.sources.questions import parse_question
from lorify.data.sources.splits import hash_to_unit_interval
from lorify.errors import EvaluationError

IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
DEFAULT_QUESTION = "What is in the image?"
DIGITS = "digits"
DIGIT_QUESTION = "What digit is in the image?"
DIGIT_LEVELS = 16  # maximum brightness of a pixel of scikit-learn's digits
HELDOUT_DIGITS = 360
IMAGENETTE_CLASSES: Mapping[str, str] = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
"""Folder name -> class name of Imagenette, in the paper's order."""


def load_image_examples(path: Path, *, question: str = DEFAULT_QUESTION) -> list[Example]:
    """Load images with questions.

    Args:
        path: a folder of class folders, whose names, with spaces for underscores, are the answers (Imagenette's folder
            names are replaced by English class names); or a JSON lines file with `image` (a path relative to the file),
            `question` and `answers`.
        question: the question for every image in class folders.

    Returns:
        One example per image, in the order of the file names or first lines.

    Raises:
        EvaluationError: if the path or an image is missing, the folder holds no image, or a line is malformed.
    """
    if path.is_dir():
        return _from_folders(path, question)
    return _from_lines(path)


def split_by_image(
    examples: Sequence[Example], heldout_fraction: float = 0.1, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Split into training and held-out examples by the images' content, so that duplicates of an image stay together.

    Args:
        examples: examples with one image each.
        heldout_fraction: fraction to hold out, from 0 to 1.
        seed: changes which images are held out.

    Returns:
        Training examples, and held-out ones.

    Raises:
        EvaluationError: if an image cannot be read.
    """
    heldout = [hash_to_unit_interval(_digest(example.images[0]), seed) < heldout_fraction for example in examples]
    train = [example for example, out in zip(examples, heldout, strict=True) if not out]
    return train, [example for example, out in zip(examples, heldout, strict=True) if out]


def digit_examples(*, heldout: bool = False) -> list[Example]:
    """Load scikit-learn's handwritten digits of 8 x 8 pixels: 1,437 for training, or the 360 held-out ones.

    Raises:
        EvaluationError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            "the digits need the package scikit-learn, which is not installed; run `pip install 'lorify[digits]'`"
        ) from error
    digits: Any = load_digits()
    order = list(range(len(digits.images)))
    random.Random(DIGITS).shuffle(order)
    chosen = order[:HELDOUT_DIGITS] if heldout else order[HELDOUT_DIGITS:]
    return [
        Example(
            (),
            (Question(DIGIT_QUESTION, (str(digits.target[i]), NUMBER_WORDS[digits.target[i]])),),
            DIGITS,
            (Image.fromarray((digits.images[i] * (255 / DIGIT_LEVELS)).astype("uint8")),),
        )
        for i in chosen
    ]


def _from_folders(path: Path, question: str) -> list[Example]:
    examples = []
    for folder in sorted(folder for folder in path.iterdir() if folder.is_dir()):
        name = IMAGENETTE_CLASSES.get(folder.name, folder.name.replace("_", " "))
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_ENDINGS)
        examples += [Example((), (Question(question, (name,)),), path.name, (file,)) for file in files]
    if not examples:
        raise EvaluationError(f"{path} holds no images in class folders; expected files such as {path}/CLASS/IMAGE.jpg")
    return examples


def _from_lines(path: Path) -> list[Example]:
    questions: dict[Path, list[Question]] = {}
    for place, row in read_json_lines(path):
        image, question = _parse_row(row, place, path)
        questions.setdefault(image, []).append(question)
    if not questions:
        raise EvaluationError(f"{path} has no lines; expected objects with image, question and answers")
    return [Example((), tuple(asked), path.stem, (image,)) for image, asked in questions.items()]


def _parse_row(row: Any, place: str, path: Path) -> tuple[Path, Question]:
    name, question, answers = parse_question(row, place, subject_field="image")
    image = path.parent / name
    if not image.is_file():
        raise EvaluationError(f"{place}: image {image} does not exist; give its path relative to {path.name}")
    return image, Question(question, tuple(answers))


def _digest(image: Path | Image.Image) -> bytes:
    if isinstance(image, Image.Image):
        return hashlib.sha256(image.tobytes()).digest()
    try:
        return hashlib.sha256(image.read_bytes()).digest()
    except OSError as error:
        raise EvaluationError(f"image {image} cannot be read ({error.strerror}); check the path") from error
