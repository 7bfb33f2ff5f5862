"""Suites of images: a text-only base model answers questions about an image that only its adapter has seen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.data.sources.images import DEFAULT_QUESTION, digit_examples, load_image_examples
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

OWN_IMAGE, OTHER_IMAGE = "its image", "another image"


class ImageSuite(Suite):
    """Base class of suites of images."""

    kind = "images"
    default_methods = "adapter,none"


class ImagesSuite(ImageSuite):
    """Images with questions: a folder of class folders, or JSON Lines of image, question and answers."""

    name = "images"
    max_new_tokens = 16
    path: Path = Field(description="The folder or file.")
    question: str = Field(DEFAULT_QUESTION, min_length=1, description="Question about images in class folders.")
    images: int = Field(500, ge=1, description="Maximum number of images, drawn at random.")
    control: bool = Field(True, description="Ask each question about a random other image of the set too.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the images and draw some."""
        del model
        examples = load_image_examples(self.path, question=self.question)
        return image_cases(examples, self.images, self.seed, control=self.control)


class DigitsSuite(ImageSuite):
    """Handwritten digits of scikit-learn that are held out from training."""

    name = "digits"
    max_new_tokens = 6
    images: int = Field(360, ge=1, description="Maximum number of images, drawn at random.")
    control: bool = Field(True, description="Ask each question about a random other image of the set too.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Draw held-out digits."""
        del model
        return image_cases(digit_examples(heldout=True), self.images, self.seed, control=self.control)


def image_cases(
    examples: Sequence[Example], num_images: int, seed: int, *, control: bool, choices: tuple[tuple[str, str], ...] = ()
) -> list[Case]:
    """Make cases of randomly drawn examples.

    Args:
        examples: images with questions.
        num_images: maximum number of examples to draw.
        seed: seed of the drawing.
        control: add each case a second time, with the image of another case.
        choices: see `Case`.
    """
    rng = random.Random(seed)
    drawn = rng.sample(list(examples), min(num_images, len(examples)))

    def case(index: int, images: tuple, questions: tuple[Question, ...], condition: str) -> Case:
        source = drawn[index].source
        name = f"{source}-{index}-{condition}"
        return Case(name, (), questions, source, 0, condition, images=images, choices=choices)

    cases = [case(i, e.images, e.questions, OWN_IMAGE if control else "") for i, e in enumerate(drawn)]
    if control:
        others = [example.images for example in drawn]
        rng.shuffle(others)
        pairs = zip(drawn, others, strict=True)
        cases += [case(i, images, example.questions, OTHER_IMAGE) for i, (example, images) in enumerate(pairs)]
    return cases
