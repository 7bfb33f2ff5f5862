"""The records of an adapter that was exported in parts: which part holds which clause.

The folder has an adapter and a line of `parts.jsonl` for each part, the word weights that parts are chosen by
(`relevance.json`), and a model card.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.errors import AdapterError, first_problem
from lorify.json_text import numbered_json_lines

PARTS_NAME = "parts.jsonl"
PART_NAME_PATTERN = r"part-\d{5,}(\.\w+)?"
"""Regular expression of the names of parts."""


class PartRecord(BaseModel):
    """A line of `parts.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = Field(pattern=rf"^{PART_NAME_PATTERN}$", description="Name of its folder or file.")
    document: str = Field(description="Name of the document.")
    document_number: int | None = Field(
        default=None,
        ge=1,
        description="Number of the document, from 1; null in earlier exports, where documents of one name are one.",
    )
    passage: int = Field(ge=1, description="Number of the passage that its clause is in, from 1 over all documents.")
    text: str = Field(description="The clause that it knows, with the whitespace before it.")


def read_parts(folder: Path) -> list[PartRecord]:
    """Read `parts.jsonl`.

    Raises:
        AdapterError: if the file is missing or damaged.
    """
    path = folder / PARTS_NAME
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        records = [PartRecord.model_validate_json(line) for _, line in numbered_json_lines(lines)]
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
