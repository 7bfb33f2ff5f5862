"""`store`: repair the store of a server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Json
from lorify.commands.terminal import print_json, print_line, stderr

app = typer.Typer(help="Repair the store of a server.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Repair the store of a server."""


@app.command()
def rebuild(
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="DIR", help="Folder in which adapters are kept; by default in the user's cache folder."
        ),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="Owner to record for adapters whose owner is unknown.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild the index of a store from its adapters. Nothing is deleted, and the old index is kept.

    Adapters whose owner is unknown are left out unless --owner is given; on a server without keys it is `local`.

    Example: lorify store rebuild --store /var/lib/lorify
    """
    from lorify.base.cache import cache_dir
    from lorify.serving.storage.rebuild import rebuild_index

    rebuilt = rebuild_index(store or cache_dir() / "store", owner)
    if as_json:
        old = None if rebuilt.old_index is None else str(rebuilt.old_index)
        print_json(asdict(rebuilt) | {"old_index": old})
        return
    for problem, ids in (("is damaged", rebuilt.damaged), ("has no known owner", rebuilt.without_owner)):
        for id in ids:
            stderr().print(f"left out: adapter {id} {problem}")
    if rebuilt.old_index is not None:
        stderr().print(f"the old index is now {rebuilt.old_index}")
    print_line(f"the index has {rebuilt.num_adapters} adapters")
