"""`eval digits` and `eval imagenette`: what a text-only base says about images that only its adapter has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluating import DEFAULT_METHODS, Methods, RunDir, Seed, evaluate_suite, say_scores
from lorify.commands.options import Base, Hypernetwork, Json

NumImages = Annotated[int, typer.Option("--number", min=1, help="At most this many images.")]
ALL_IMAGES = 1_000_000


def digits(
    number: NumImages = ALL_IMAGES,
    seed: Seed = 0,
    methods: Methods = DEFAULT_METHODS["images"],
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Handwritten digits of scikit-learn that training holds out: the suite `digits`, without times.

    Each is also asked about with the adapter of another image; guessing gives 10%.

    Example: lorify eval digits --hypernetwork runs/digits/best
    """
    from lorify.evaluation.suites.images import DigitsSuite

    suite = DigitsSuite(seed=seed, images=number)  # pyright: ignore[reportCallIssue]
    say_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)


def imagenette(
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder of the data set, with `val` in it.")],
    number: NumImages = ALL_IMAGES,
    seed: Seed = 0,
    methods: Methods = DEFAULT_METHODS["images"],
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Imagenette as in Doc-to-LoRA: ten classes, the paper's question and matching; the suite `imagenette`.

    `exact` is the share of right classes; guessing gives 10%.

    Example: lorify eval imagenette --images imagenette2 --base google/gemma-2-2b-it --hypernetwork runs/gemma/best
    """
    from lorify.evaluation.suites.images import ImagenetteSuite

    suite = ImagenetteSuite(path=images, seed=seed, images=number)  # pyright: ignore[reportCallIssue]
    say_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)
