"""`keys`: the API keys that a server accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.terminal import print_line, stderr

app = typer.Typer(help="Create, list and revoke API keys of a server.", no_args_is_help=True)

KeysFile = Annotated[Path, typer.Option("--keys", metavar="FILE", help="File of API keys.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Owner of the key; adapters belong to this name.")],
    keys: Annotated[Path, typer.Option("--keys", metavar="FILE", help="File of API keys; created if missing.")],
    operator: Annotated[
        bool, typer.Option("--operator", help="The key may also read /metrics, which cover all owners.")
    ] = False,
) -> None:
    """Create an API key and print it. It cannot be shown again, as the file only holds its hash.

    Example: lorify keys create ann --keys keys.json
    """
    from lorify.serving.storage.keys import create_key

    print_line(create_key(keys, name, operator=operator))


@app.command("list")
def list_owners(keys: KeysFile) -> None:
    """List the owners of the keys in a file, one per line. The keys themselves are not in the file.

    Example: lorify keys list --keys keys.json
    """
    from lorify.serving.storage.keys import ApiKeys

    api_keys = ApiKeys.load(keys)
    for owner in api_keys.owners:
        print_line(f"{owner} (operator)" if api_keys.is_operator(owner) else owner)


@app.command()
def revoke(name: Annotated[str, typer.Argument(metavar="NAME", help="Owner of the key.")], keys: KeysFile) -> None:
    """Revoke an API key by removing it from the file. A running server accepts it until it is restarted.

    The owner's adapters stay in the store. A new key of the same name can use them.

    Example: lorify keys revoke ann --keys keys.json
    """
    from lorify.serving.storage.keys import revoke_key

    revoke_key(keys, name)
    stderr().print(f"revoked the key of {name}; restart servers that use {keys}")
