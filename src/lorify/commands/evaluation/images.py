"""`lorify eval digits` and `imagenette`: a text-only base model on images that only its adapter has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluation.evaluate import evaluate_suite, print_scores
from lorify.commands.evaluation.options import Methods, RunDir, Seed
from lorify.commands.options import Base, Hypernetwork, Json

NumImages = Annotated[int | None, typer.Option("--number", min=1, help="Maximum number of images; default: all.")]
_ALL_IMAGES = 1_000_000


def digits(
    number: NumImages = None,
    seed: Seed = 0,
    methods: Methods = None,
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Handwritten digits of scikit-learn that are held out from training: the suite `digits`, untimed.

    Each question is asked a second time with the adapter of another image. Guessing scores 10%.

    Example: lorify eval digits --hypernetwork runs/digits/best
    """
    from lorify.evaluation.suites.images import DigitsSuite

    suite = DigitsSuite(seed=seed, images=number or _ALL_IMAGES)  # pyright: ignore[reportCallIssue]
    print_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)


def imagenette(
    images: Annotated[
        Path, typer.Option("--images", metavar="DIR", help="Folder of the data set, which contains `val`.")
    ],
    number: NumImages = None,
    seed: Seed = 0,
    methods: Methods = None,
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Imagenette as in Doc-to-LoRA, with its question and matching: the suite `imagenette`, untimed.

    `exact` is the accuracy over ten classes. Guessing scores 10%.

    Example: lorify eval imagenette --images imagenette2 --base google/gemma-2-2b-it --hypernetwork runs/gemma/best
    """
    from lorify.evaluation.suites.imagenette import ImagenetteSuite

    suite = ImagenetteSuite(path=images, seed=seed, images=number or _ALL_IMAGES)  # pyright: ignore[reportCallIssue]
    print_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)
