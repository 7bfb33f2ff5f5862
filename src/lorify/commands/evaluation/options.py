"""Options that several commands of `lorify eval` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[int, typer.Option("--seed", help="Random seed.")]
RunDir = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for all answers, tables and plots.")
]
Methods = Annotated[
    str | None,
    typer.Option("--methods", "-m", metavar="LIST", help="METHOD[:option=value...],METHOD...; see `lorify eval list`."),
]
NumDocuments = Annotated[int, typer.Option("--documents", min=1, help="Number of documents.")]
ALL_QUESTIONS = 1_000_000
