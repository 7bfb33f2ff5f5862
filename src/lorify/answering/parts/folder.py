"""The folder of an adapter that is exported in parts: an export of each part, and what is needed to choose one.

`parts.jsonl` has a line for each part, `relevance.json` the weights of words, and `README.md` says how to use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.adapters import Adapter
from lorify.adapters.exports.peft import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME
from lorify.adapters.exports.registry import ExportFormat
from lorify.adapters.exports.vllm_ranks import needed_rank
from lorify.atomic import replaced_folder, reported_write_errors
from lorify.base.files.locate import hub_id
from lorify.cancellation import CancelToken
from lorify.errors import AdapterError, HypernetworkError, first_problem
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.questions.relevance import RELEVANCE_NAME, save_relevance
from lorify.json_text import split_json_lines

PARTS_NAME = "parts.jsonl"
_PEFT_NAMES = frozenset({CONFIG_NAME, WEIGHTS_NAME})
_PART_NAME = re.compile(r"part-\d{5,}(\.\w+)?")

_CARD = """\
---
base_model: {base_name}
tags:
- lora
- lorify
---

# LoRA adapters of a clause each, written by lorify

Hypernetwork {hypernetwork} wrote these {count} adapters for {base_name} (SHA-256 of the weights {base_digest}). Each
holds one clause of a document. `{parts_name}` lists them in order, each with the text of its clause and the number of
its passage (a few sentences), since a clause alone can be hard to understand.

For each question, choose an adapter, and ask the question with it as the only turn, in the base's chat template and
without a system message. Decode greedily; answers are short and begin with a space. Questions about none of the
documents go to the base without an adapter.

`lorify adapter route FOLDER QUESTION` prints the path of the adapter to choose. In Python:

```python
from lorify import load_router

router = load_router(".")
part = router.choose("Who founded the museum?")  # None if no document is about this
print(part.adapter if part else "the base")
```

Any other search works too: find the passage that answers the question, and in it the clause.

{vllm}- PEFT: `model.load_adapter("part-00001", "part-00001")` for each part, `model.set_adapter(name)` for a question.
- llama.cpp (exports in the format gguf): `--lora part-00001.gguf ... --lora-init-without-apply`; a request names the
  numbers of the adapters that are on: `"lora": [{{"id": 0, "scale": 1.0}}]`.
"""

# Not for pairs of several ranks, of which vLLM scales some wrongly.
_VLLM = """\
- vLLM: `vllm serve {base_name} --enable-lora --max-lora-rank {rank} --lora-modules part-00001=part-00001 ...`; the
  name of the part is the `model` of a request.
"""


class PartRecord(BaseModel):
    """A line of `parts.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = Field(pattern=rf"^{_PART_NAME.pattern}$", description="Name of its folder or file.")
    document: str = Field(description="Name of the document.")
    passage: int = Field(ge=1, description="Number of the passage that its clause is in, from 1 over all documents.")
    text: str = Field(description="The clause that it knows, with the whitespace before it.")


def export_parts(
    internalizer: AssociativeInternalizer,
    adapter: Adapter,
    folder: Path,
    export: ExportFormat,
    *,
    probe: bool = True,
    max_parts: int | None = None,
    report: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Divide an adapter into parts and export each.

    Args:
        internalizer: the hypernetwork that made the adapter.
        adapter: an adapter that keeps the tokens of its documents, or their index.
        folder: folder to write; an earlier export in parts is replaced atomically.
        export: format of the parts.
        probe: also run a probe prompt with the first part in the library that the format is for.
        max_parts: an adapter of more parts is refused.
        report: called after each part with 1 and the number of all parts.
        cancel: cancels it before the next part; nothing is written then.

    Raises:
        AdapterError: if the adapter cannot be divided or exported, or `folder` cannot be written or holds other files.
        HypernetworkError: if the hypernetwork has no weights of words to choose parts by.
    """
    if internalizer.relevance is None:
        raise HypernetworkError(
            f"hypernetwork {internalizer.name} has no {RELEVANCE_NAME} to choose parts by; export the adapter whole"
        )
    parts = internalizer.divide(adapter)
    if max_parts is not None and len(parts) > max_parts:
        raise AdapterError(
            f"the adapter has {len(parts)} parts, but at most {max_parts} are exported here; use lorify adapter export "
            "--parts, or an adapter of fewer documents"
        )
    base, records, ranks = internalizer.base, list[PartRecord](), set[int]()
    with (
        reported_write_errors(folder, AdapterError),
        replaced_folder(folder, _owned(folder), AdapterError) as temporary,
    ):
        for number, part in enumerate(parts, start=1):
            if cancel is not None:
                cancel.raise_if_cancelled()
            name = f"part-{number:05}{export.suffix or ''}"
            try:
                export.export(part.adapter, base, temporary / name, probe=probe and number == 1)
            except AdapterError as error:
                raise AdapterError(str(error).replace(str(temporary), str(folder))) from error
            if export.suffix is None:  # its card is about adapters of whole documents
                (temporary / name / CARD_NAME).unlink(missing_ok=True)
            records.append(PartRecord(adapter=name, document=part.document, passage=part.passage, text=part.text))
            ranks |= {pair.rank for pair in part.adapter.weights.values()}
            if report is not None:
                report(1, len(parts))
        lines = "".join(record.model_dump_json() + "\n" for record in records)
        (temporary / PARTS_NAME).write_text(lines, encoding="utf-8")
        save_relevance(temporary, internalizer.relevance)
        card = _CARD.format(
            base_name=hub_id(base.name),
            base_digest=base.digest,
            hypernetwork=internalizer.name,
            count=len(records),
            parts_name=PARTS_NAME,
            vllm=_VLLM.format(base_name=hub_id(base.name), rank=needed_rank(max(ranks))) if len(ranks) == 1 else "",
        )
        (temporary / CARD_NAME).write_text(card, encoding="utf-8")


def read_parts(folder: Path) -> list[PartRecord]:
    """Read `parts.jsonl`.

    Raises:
        AdapterError: if the folder has none, or it is damaged.
    """
    path = folder / PARTS_NAME
    try:
        lines = [line for line in split_json_lines(path.read_text(encoding="utf-8")) if line]
        records = [PartRecord.model_validate_json(line) for line in lines]
    except FileNotFoundError as error:
        raise AdapterError(
            f"{folder} is not an export in parts: {PARTS_NAME} is missing; write one with adapter export --parts"
        ) from error
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error
        raise AdapterError(f"{path} is damaged ({reason}); export the adapter again") from error
    if not records:
        raise AdapterError(f"{path} has no part; export the adapter again")
    return records


def _owned(folder: Path) -> set[str]:
    """Names in an earlier export in parts that belong to it."""
    if not (folder / PARTS_NAME).is_file():
        return set()
    found = [path for path in folder.iterdir() if _PART_NAME.fullmatch(path.name)]
    files = {path.name for path in found if path.is_file()}
    folders = {f"{path.name}/" for path in found if path.is_dir() and {f.name for f in path.iterdir()} <= _PEFT_NAMES}
    return {PARTS_NAME, CARD_NAME, RELEVANCE_NAME} | files | folders
