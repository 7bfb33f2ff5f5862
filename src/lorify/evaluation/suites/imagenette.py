"""Imagenette with the question and the matching of Doc-to-LoRA.

Source: arXiv 2602.15902 and github.com/SakanaAI/doc-to-lora. The question names all ten classes, and every answer
counts as the class nearest to it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.sources.images import IMAGENETTE_CLASSES, load_image_examples
from lorify.errors import EvaluationError
from lorify.evaluation.suites.cases import Case
from lorify.evaluation.suites.images import ImageSuite, image_cases
from lorify.facade import Lorify

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


class ImagenetteSuite(ImageSuite):
    """Imagenette as in Doc-to-LoRA."""

    name = "imagenette"
    max_new_tokens = 256
    path: Path = Field(description="Folder of the data set (the validation images are used), or of class folders.")
    images: int = Field(10_000, ge=1, description="Maximum number of images, drawn at random.")
    control: bool = Field(False, description="Ask each question about a random other image of the set too.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the images and draw some."""
        del model
        names = list(IMAGENETTE_CLASSES.values())
        folder = self.path / VALIDATION_DIR if (self.path / VALIDATION_DIR).is_dir() else self.path
        examples = load_image_examples(folder, question=IMAGENETTE_QUESTION.format(", ".join(names)))
        for example in examples:
            answer = example.questions[0].answers[0]
            if answer not in names:
                raise EvaluationError(
                    f"{folder} has a class {answer!r} that Imagenette does not have; give a folder with the classes "
                    f"{', '.join(IMAGENETTE_CLASSES)}, or use the suite images"
                )
        choices = (*((name, name) for name in names), *IMAGENETTE_ALIASES.items())
        return image_cases(examples, self.images, self.seed, control=self.control, choices=choices)
