"""Model cards: what the Hugging Face hub shows about an uploaded hypernetwork or adapter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lorify.adapters.pairs import RebuiltWeights
from lorify.adapters.storage import FILES as ADAPTER_FILES
from lorify.adapters.storage import RECORD_NAME, load_adapter
from lorify.errors import HypernetworkError, LorifyError
from lorify.hub import HubAddress
from lorify.hypernets.checkpoint import CONFIG_NAME, HYPERNETWORK_FILES
from lorify.hypernets.registry import kind_of

CARD_NAME = "README.md"
SCORES_NAME = "best.json"
"""Scores of the best weights of a training run, next to their folder."""


@dataclass(frozen=True)
class ModelCard:
    """The model card of a folder.

    Attributes:
        text: content of the card, in Markdown with a YAML header.
        files: names of the files to upload.
    """

    text: str
    files: tuple[str, ...]


def describe_folder(folder: Path, address: HubAddress, licence: str | None) -> ModelCard:
    """Read a hypernetwork or an adapter and write its model card.

    Args:
        folder: its folder.
        address: address it will be uploaded to.
        licence: licence of the weights; None: the card does not name one.

    Raises:
        LorifyError: if the folder holds neither or is damaged.
    """
    if (folder / RECORD_NAME).is_file():
        return _adapter_card(folder, address, licence)
    if (folder / CONFIG_NAME).is_file():
        return _hypernetwork_card(folder, address, licence)
    raise LorifyError(f"{folder} holds neither a hypernetwork nor an adapter; give the folder of one")


def _adapter_card(folder: Path, address: HubAddress, licence: str | None) -> ModelCard:
    adapter = load_adapter(folder)
    provenance = adapter.provenance
    lines = [
        f"A LoRA adapter for `{provenance.base_name}`, made by the hypernetwork `{provenance.hypernetwork}` of lorify.",
        "",
        *(f"- {document.name} ({document.num_tokens} tokens)" for document in provenance.documents),
    ]
    usage = f'lorify chat --adapter {address} -q "..."'
    if isinstance(adapter.weights, RebuiltWeights):
        digest = provenance.hypernetwork_digest or ""
        lines += [
            "",
            f"The hypernetwork (SHA-256 {digest[:16]}...) rebuilds its weights; give it, unless it ships with lorify.",
        ]
        usage += " --hypernetwork FOLDER"
    return _card(folder, ADAPTER_FILES, provenance.base_name, licence, lines, usage)


def _hypernetwork_card(folder: Path, address: HubAddress, licence: str | None) -> ModelCard:
    kind = kind_of(folder)
    config, _ = kind.load(folder)
    base = str(getattr(config, "base_name", ""))
    if not base:
        raise HypernetworkError(f"hypernetwork {folder} does not name its base; train or import it again")
    reads_documents = kind.load_internalizer is not None
    lines = [f"A hypernetwork of lorify (kind `{kind.name}`) that makes LoRA adapters for `{base}`.", *_scores(folder)]
    option = "--hypernetwork" if reads_documents else "--task-hypernetwork"
    task = "handbook.pdf" if reads_documents else '--task "Answer in capital letters."'
    return _card(
        folder,
        HYPERNETWORK_FILES | kind.more_files,
        base,
        licence,
        lines,
        f'lorify ask {task} {option} {address} -q "..."',
    )


def _scores(folder: Path) -> list[str]:
    """Return the held-out scores of the training run as a table; nothing if unknown."""
    path = folder.resolve().parent / SCORES_NAME
    if not path.is_file():
        return []
    scores = json.loads(path.read_text(encoding="utf-8"))
    rows = [f"| {name} | {value:.4g} |" for name, value in scores.items() if isinstance(value, int | float)]
    return ["", "| held-out score | value |", "|---|---|", *rows]


def _card(
    folder: Path, names: Iterable[str], base: str, licence: str | None, lines: list[str], usage: str
) -> ModelCard:
    header = ["---", "library_name: lorify", "tags:", "- lorify", "- lora"]
    header += [f"license: {licence}"] if licence else []
    header += [f"base_model: {base}"] if HubAddress.parse(base) else []
    text = "\n".join([*header, "---", "", *lines, "", "```sh", "pip install lorify", usage, "```", ""])
    return ModelCard(text, tuple(sorted(name for name in names if (folder / name).is_file())))
