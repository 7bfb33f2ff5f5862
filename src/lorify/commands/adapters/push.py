"""`push`: upload a hypernetwork or an adapter to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.terminal import print_line, show_spinner
from lorify.errors import LorifyError


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a hypernetwork or an adapter.")],
    address: Annotated[
        str, typer.Argument(metavar="ORG/NAME", help="Repository, with /FOLDER in it and @REVISION if wanted.")
    ],
    licence: Annotated[
        str | None, typer.Option("--license", metavar="ID", help="Licence of the weights, as the hub names it.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Create the repository as a private one.")] = False,
) -> None:
    """Upload a hypernetwork or an adapter to the Hugging Face hub, with a model card.

    A README.md in the folder is uploaded as it is; otherwise a card is written from base, scores and documents. Log in
    with `hf auth login` first. Then use it by its name: lorify ask DOC --hypernetwork ORG/NAME.

    Example: lorify push runs/museum/best ann/museum-hypernetwork --license apache-2.0
    """
    from lorify.atomic import replaced_file
    from lorify.hub import HubAddress, upload
    from lorify.hypernets.model_card import CARD_NAME, describe_folder

    target = HubAddress.parse(address)
    if target is None:
        raise LorifyError(f"{address!r} is not a repository on the hub; give ORG/NAME, such as ann/museum-hypernetwork")
    card = describe_folder(folder, target, licence)
    if not (folder / CARD_NAME).exists():
        with replaced_file(folder / CARD_NAME) as temporary:
            temporary.write_text(card.text, encoding="utf-8")
    with show_spinner(f"uploading {folder}"):
        url = upload(folder, target, [*card.files, CARD_NAME], private=private, error=LorifyError)
    print_line(url)
