"""Suites about images: the base, which reads text only, is asked about an image that only its adapter has seen.

Imagenette is asked as in Doc-to-LoRA (arXiv 2602.15902 and github.com/SakanaAI/doc-to-lora): ten classes, all named in
the question, and every answer is taken for the class that it is nearest to.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.data.sources.images import DEFAULT_QUESTION, IMAGENETTE_CLASSES, digit_examples, load_image_examples
from lorify.errors import EvaluationError
from lorify.evaluation.suites.cases import Case, Suite
from lorify.facade import Lorify

OWN_IMAGE, OTHER_IMAGE = "its image", "another image"
IMAGENETTE_QUESTION = (
    "What is in this image? Choose exactly one of the following classes: {}. Response with only the correct class "
    "without any other text."
)
IMAGENETTE_ALIASES = {
    "English springer spaniel": "English springer",
    "springer spaniel": "English springer",
    "chainsaw": "chain saw",
    "dump truck": "garbage truck",
    "refuse truck": "garbage truck",
    "garbage lorry": "garbage truck",
    "fuel pump": "gas pump",
    "gas station pump": "gas pump",
    "cassette deck": "cassette player",
    "cassette recorder": "cassette player",
    "fish": "tench",
    "golfball": "golf ball",
    "skydiving": "parachute",
    "parachutist": "parachute",
}
VALIDATION_DIR = "val"


class ImagesSuite(Suite):
    """Images with questions: a folder of class folders, or JSON lines of image, question and answers."""

    name = "images"
    kind = "images"
    max_new_tokens = 16
    path: Path = Field(description="The folder or file.")
    question: str = Field(DEFAULT_QUESTION, min_length=1, description="Asked about images in class folders.")
    images: int = Field(500, ge=1, description="At most this many images, drawn at random.")
    control: bool = Field(True, description="Ask each question also with another image of the set, at random.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        del model
        return image_cases(
            load_image_examples(self.path, question=self.question), self.images, self.seed, control=self.control
        )


class DigitsSuite(Suite):
    """Handwritten digits of scikit-learn that training holds out."""

    name = "digits"
    kind = "images"
    max_new_tokens = 6
    images: int = Field(360, ge=1, description="At most this many images, drawn at random.")
    control: bool = Field(True, description="Ask each question also with another image of the set, at random.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        del model
        return image_cases(digit_examples(heldout=True), self.images, self.seed, control=self.control)


class ImagenetteSuite(Suite):
    """Imagenette as in the paper; `path` is the data set's folder, or one of class folders."""

    name = "imagenette"
    kind = "images"
    max_new_tokens = 256
    path: Path = Field(description="Folder of the data set (its validation images are asked about).")
    images: int = Field(10_000, ge=1, description="At most this many images, drawn at random.")
    control: bool = Field(False, description="Ask each question also with another image of the set, at random.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        del model
        names = list(IMAGENETTE_CLASSES.values())
        folder = self.path / VALIDATION_DIR if (self.path / VALIDATION_DIR).is_dir() else self.path
        examples = load_image_examples(folder, question=IMAGENETTE_QUESTION.format(", ".join(names)))
        for example in examples:
            answer = example.questions[0].answers[0]
            if answer not in names:
                raise EvaluationError(
                    f"{folder} has a class {answer!r}, which Imagenette has not; give its folder, with the classes "
                    f"{', '.join(IMAGENETTE_CLASSES)}, or use the suite images"
                )
        choices = (*((name, name) for name in names), *IMAGENETTE_ALIASES.items())
        return image_cases(examples, self.images, self.seed, control=self.control, choices=choices)


IMAGE_SUITES: dict[str, type[Suite]] = {kind.name: kind for kind in (ImagesSuite, DigitsSuite, ImagenetteSuite)}


def image_cases(
    examples: Sequence[Example], num_images: int, seed: int, *, control: bool, choices: tuple[tuple[str, str], ...] = ()
) -> list[Case]:
    """A sample of examples as cases.

    Args:
        examples: images with questions.
        num_images: at most so many are drawn.
        seed: seed of the drawing.
        control: each case comes again with another case's image.
        choices: see `Case`.
    """
    rng = random.Random(seed)
    drawn = rng.sample(list(examples), min(num_images, len(examples)))

    def case(index: int, images: tuple, questions: tuple[Question, ...], condition: str) -> Case:
        source = drawn[index].source
        return Case(
            f"{source}-{index}-{condition}", (), questions, source, 0, condition, images=images, choices=choices
        )

    cases = [case(i, e.images, e.questions, OWN_IMAGE if control else "") for i, e in enumerate(drawn)]
    if control:
        others = [example.images for example in drawn]
        rng.shuffle(others)
        cases += [
            case(i, images, e.questions, OTHER_IMAGE) for i, (e, images) in enumerate(zip(drawn, others, strict=True))
        ]
    return cases


def nearest_choice(prediction: str, choices: Sequence[tuple[str, str]]) -> str:
    """The choice that an answer names, or else the one it is nearest to: every answer is some choice.

    Args:
        prediction: the answer.
        choices: what may be said and the choice that it means, in the order in which they are looked for; it may be
            written together, or stand inside of other words.
    """
    said, together = _words(prediction), _words(prediction).replace(" ", "")
    for text, choice in choices:
        if _words(text) in said or _words(text).replace(" ", "") in together:
            return choice
    names = list(dict.fromkeys(choice for _, choice in choices))
    for name in names:
        if set(_words(name).split()) <= set(said.split()):
            return name
    return max(names, key=lambda name: SequenceMatcher(None, said, _words(name)).ratio())


def _words(text: str) -> str:
    """Lower case, with spaces for all but letters and digits."""
    return " ".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
