"""`average`: average the weights of several task hypernetworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Json, Output
from lorify.commands.terminal import print_json, print_line, show_spinner


def average(
    hypernets: Annotated[list[Path], typer.Argument(metavar="HYPERNETWORK...", help="Folders, two or more.")],
    output: Output,
    as_json: Json = False,
) -> None:
    """Average the weights of task hypernetworks.

    They must have been trained from the same weights. The mean is often better on unseen kinds of tasks than each of
    them.

    Example: lorify average runs/one/best runs/two/best -o runs/mean
    """
    from lorify.hypernets.averaging import average_hypernetworks

    with show_spinner("averaging"):
        average_hypernetworks(hypernets, output)
    if as_json:
        print_json({"hypernetwork": str(output), "averaged": [str(folder) for folder in hypernets]})
    else:
        print_line(str(output))
