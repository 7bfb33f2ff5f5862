"""`show`: the text that would be internalized."""

from __future__ import annotations

from typing import Annotated

import typer

from lorify.commands.options import Json, read_contexts
from lorify.commands.terminal import print_json, print_line


def show(
    documents: Annotated[list[str], typer.Argument(metavar="DOC", help="Documents to read; - is standard input.")],
    as_json: Json = False,
) -> None:
    """Print the text of documents as it would be internalized.

    Example: lorify show handbook.pdf
    """
    from lorify.contexts.images import as_text

    texts = [as_text(context, "show") for context in read_contexts(documents)]
    if as_json:
        print_json([{"name": text.name, "digest": text.digest, "text": text.text} for text in texts])
        return
    for index, text in enumerate(texts):
        if len(texts) > 1:
            print_line(f"{'' if index == 0 else chr(10)}==> {text.name} <==")
        print_line(text.text)
