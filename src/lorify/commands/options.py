"""Options shared by several commands, and functions that load what they name."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from typer import CallbackParam

from lorify.commands.document_names import check_given_once, path_names
from lorify.commands.terminal import show_progress, show_spinner, stderr
from lorify.contexts.documents import MAX_BYTES
from lorify.errors import AdapterError, LorifyError
from lorify.plain_files import expand_home

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.answering.parts.router import PartRouter
    from lorify.base.model import BaseLM
    from lorify.contexts.images import Context
    from lorify.facade import Lorify
    from lorify.hypernets.internalizer import Keep

Texts = TypeVar("Texts", str, list[str], None)


def check_encoding(param: CallbackParam, given: Texts) -> Texts:
    """Refuse text on the command line that is not valid UTF-8, which Python represents as surrogates.

    Raises:
        LorifyError: if a text is not valid UTF-8.
    """
    for text in [given] if isinstance(given, str) else given or []:
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = text.encode(errors="replace").decode()
            name = param.opts[-1] if param.param_type_name == "option" else param.metavar
            raise LorifyError(f"{name} {shown!r} is not in UTF-8; give it in that encoding") from None
    return given


DOCUMENTS_HELP = f"Documents or images to read, of at most {MAX_BYTES >> 20} MiB each; - is standard input."
Documents = Annotated[list[str], typer.Argument(metavar="DOC", help=DOCUMENTS_HELP)]
Base = Annotated[
    str | None,
    typer.Option("--base", help="Base model: default name, Hugging Face id[@revision], folder or GGUF file."),
]
Hypernetwork = Annotated[
    Path | None,
    typer.Option(
        "--hypernetwork",
        "--hypernet",
        help="Hypernetwork folder or org/name[/folder][@revision]; by default the one that ships for the base.",
    ),
]
TaskHypernetwork = Annotated[
    Path | None,
    typer.Option(
        "--task-hypernetwork",
        "--task-hypernet",
        help="Task hypernetwork folder or org/name[/folder][@revision]; by default the one that ships for the base.",
    ),
]
Questions = Annotated[
    list[str] | None,
    typer.Option(
        "--question", "-q", metavar="TEXT", callback=check_encoding, help="Question; may be given several times."
    ),
]
Choices = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        metavar="TEXT",
        callback=check_encoding,
        help="Possible answer; give at least two. The most probable one is the answer.",
    ),
]
MAX_TOKENS = 128
MAX_JSON_TOKENS = 512
MOST_TOKENS = 1_000_000
"""More than any base has room for."""
MAX_SECONDS = 86_400.0
"""Longest training of an adapter: a day."""
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        min=1,
        max=MOST_TOKENS,
        help=f"Longest answer, in tokens; by default {MAX_TOKENS}, or {MAX_JSON_TOKENS} for JSON.",
        show_default=False,
    ),
]
Sources = Annotated[
    bool, typer.Option("--sources", help="Quote the sentence of the document that each answer was taken from.")
]
AllSources = Annotated[
    bool,
    typer.Option(
        "--all-sources",
        help="Give the answer of each document that answers the question, with its source; the last added comes first.",
    ),
]
NotStated = Annotated[
    str,
    typer.Option(
        "--not-stated",
        metavar="TEXT",
        callback=check_encoding,
        help="Reply if the documents do not state the answer; with an empty text, every answer is given.",
    ),
]
Grounded = Annotated[
    bool,
    typer.Option(
        "--grounded",
        help="Answer only from the documents; questions about anything else get the reply of --not-stated.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")]
AdapterOutput = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write; an adapter that is there is replaced.")
]


def load_model(base: str | None, hypernetwork: Path | None = None, *, task_hypernetwork: Path | None = None) -> Lorify:
    """Load a base model with its hypernetworks; None selects the default base and the shipped hypernetwork."""
    with _paused_garbage_collection():
        from lorify.base.files.locate import DEFAULT_BASE
        from lorify.loading import load

        name = DEFAULT_BASE if base is None else base
        with _loading(name):
            return load(name, hypernetwork=hypernetwork, task_hypernetwork=task_hypernetwork)


def load_part_router(folder: Path) -> PartRouter:
    """Load what chooses among the parts of an exported adapter."""
    with _paused_garbage_collection():
        from transformers.utils import logging

        from lorify.loading import load_router

        logging.disable_progress_bar()
        with show_spinner("loading the extractor"):
            return load_router(folder)


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector while libraries and models are loaded.

    Importing torch and transformers creates millions of permanent objects. Collections in the meantime take a quarter
    of the loading time and free nothing. Freezing the objects afterwards excludes them from later collections.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def _loading(name: str) -> AbstractContextManager[None]:
    """Show the progress of loading a base; for a base on the hub, enable the hub's own progress bars."""
    from huggingface_hub.utils import enable_progress_bars
    from transformers.utils import logging

    from lorify.base.files.locate import DEFAULT_BASE

    logging.disable_progress_bar()  # switches the hub's bars off too
    if name == DEFAULT_BASE or expand_home(name).exists():
        return show_spinner(f"loading {name}")
    enable_progress_bars()
    return nullcontext()


def load_base_model(name: str, *, float32: bool = False, sharded: bool = False) -> BaseLM:
    """Load a base without a hypernetwork.

    Args:
        name: as for `lorify.base.loading.load_base`.
        float32: load the weights in float32, also where bfloat16 is faster.
        sharded: distribute the blocks over all training processes.
    """
    with _paused_garbage_collection():
        import torch

        from lorify.base.loading import load_base

        with _loading(name):
            return load_base(name, dtype=torch.float32 if float32 else None, sharded=sharded)


def read_contexts(sources: list[str], known: Collection[str] = ()) -> list[Context]:
    """Read documents and images; called before a model is loaded, so that errors are reported early.

    Files of one name are named by the ends of their paths that tell them apart.

    Args:
        sources: paths, or `-` for standard input.
        known: names of documents that are in the adapter already.

    Raises:
        ContextError: if one is missing, empty, unreadable or given twice.
    """
    from lorify.contexts.images import read_context

    check_given_once(sources)
    with show_spinner("reading"):
        contexts = [read_context(source) for source in sources]
    for i, name in path_names(sources, known).items():
        contexts[i] = replace(contexts[i], name=name)
    return contexts


def internalize_documents(model: Lorify, documents: list[Context], keep: Keep = "tokens") -> Adapter:
    """Internalize documents and images, showing a progress bar with the remaining time."""
    from lorify.contexts.token_estimates import estimate_tokens

    _note_doubts(model, documents)
    total = estimate_tokens(model.base, documents)
    with show_progress("internalizing", "tokens") as advance:
        return model.internalize(*documents, keep=keep, report=lambda num_tokens: advance(num_tokens, total))


def _note_doubts(model: Lorify, contexts: list[Context]) -> None:
    """Note documents that the shipped hypernetwork of the base can hardly answer questions about."""
    from lorify.contexts.documents import Document
    from lorify.contexts.texts.notes import document_notes
    from lorify.contexts.token_estimates import estimate_tokens
    from lorify.shipped import shipped_hypernetwork

    if shipped_hypernetwork(model.base.name) is None:
        return
    for document in contexts:
        if isinstance(document, Document):
            num_tokens = estimate_tokens(model.base, [document])
            limit = model.internalizer.max_focused_tokens
            for note in document_notes(document.name, document.text, num_tokens, max_focused_tokens=limit):
                stderr().print(f"note: {note}", style="yellow", markup=False)


def check_adapter_output(folder: Path) -> None:
    """Check, before any work is done, that writing an adapter would not overwrite other files.

    Raises:
        AdapterError: if `folder` is a file, or contains files but no adapter.
    """
    from lorify.adapters.storage import RECORD_NAME

    if folder.is_dir() and ((folder / RECORD_NAME).exists() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise AdapterError(f"output {folder} exists and is not an adapter folder; give a new or empty folder with -o")


def check_no_adapter(folder: Path) -> None:
    """Check, before any work is done, that an export or a model would not be written over an adapter of lorify.

    Raises:
        AdapterError: if `folder` holds one.
    """
    from lorify.adapters.storage import RECORD_NAME

    if (folder / RECORD_NAME).exists():
        raise AdapterError(f"output {folder} is an adapter of lorify, which is not replaced; give another path with -o")


def save_new_adapter(adapter: Adapter, folder: Path) -> None:
    """Save an adapter that was made from scratch; if it replaces another one, print which."""
    from lorify.adapters.storage import RECORD_NAME, save_adapter

    replaced = _describe_saved(folder) if (folder / RECORD_NAME).exists() else None
    save_adapter(adapter, folder)
    if replaced is not None:
        stderr().print(f"note: replaced {replaced} in {folder}", style="yellow", markup=False)


def _describe_saved(folder: Path) -> str:
    """What the adapter in a folder was made of, in a few words."""
    from lorify.adapters.storage import read_provenance

    try:
        names = [document.name for document in read_provenance(folder).documents]
    except AdapterError:  # it is damaged, which replacing it repairs
        names = []
    if not names:
        return "the adapter"
    return f"the adapter of {names[0] if len(names) == 1 else f'{len(names)} documents'}"


def parse_scaled(value: str) -> tuple[Path, float]:
    """Split `DIR[=SCALE]`.

    Raises:
        AdapterError: if SCALE is not a finite number.
    """
    folder, separator, scale = value.rpartition("=")
    if not separator or Path(value).exists():
        return Path(value), 1.0
    try:
        number = float(scale)
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise AdapterError(f"scale {scale!r} of adapter {folder} is not a number; give DIR=SCALE such as {folder}=0.5")
    return Path(folder), number
