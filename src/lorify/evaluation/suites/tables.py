"""Facts in tables, lists, settings and bare values, beside the same facts in sentences; never trained on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lorify.contexts.documents import MAX_BYTES, document_from_bytes
from lorify.data.examples import Example, Question
from lorify.data.text import capitalize_first
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.facade import Lorify

DATA_PATH = Path(__file__).with_name("tables.json")


@dataclass(frozen=True)
class FactTable:
    """Facts about several things of a kind.

    Attributes:
        id: unique name.
        form: one of `FORMS`.
        title: what the table is about.
        row_name: what the rows are.
        columns: name, statement and question of each column; a statement has slots for row and value.
        rows: name of each row, followed by its values.
    """

    id: str
    form: str
    title: str
    row_name: str
    columns: list[dict[str, str]]
    rows: list[list[str]]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column["name"] for column in self.columns]


class TablesSuite(Suite):
    """The same questions about facts in five forms without sentences, and about these facts in sentences."""

    name = "tables"
    default_methods = "icl:shots=3,adapter"
    tables: int = Field(20, ge=1, le=20, description="Number of tables, spread over the forms.")
    questions: int = Field(6, ge=1, le=12, description="Maximum number of questions about each table.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the tables; the score of each form is relative to that of its facts in sentences."""
        tables = [FactTable(**table) for table in json.loads(DATA_PATH.read_text(encoding="utf-8"))["tables"]]
        # One table of each form, then the next of each.
        tables.sort(key=lambda table: int(table.id.rpartition("-")[2]))
        return [
            case
            for number, table in enumerate(tables[: self.tables])
            for case in _cases(model, table, self.questions, number)
        ]


def _cases(model: Lorify, table: FactTable, num_questions: int, number: int) -> list[Case]:
    """The table in its own form and in sentences, with the same questions."""
    cells = [(row, column) for row in range(len(table.rows)) for column in range(len(table.columns))]
    # Each step of five cells goes to another row and another column.
    asked = [cells[(number + 5 * i) % len(cells)] for i in range(min(num_questions, len(cells)))]
    sentences = f"{table.form} in sentences"
    texts = {table.form: FORMS[table.form](table), sentences: in_sentences(table)}
    cases: list[Case] = []
    for condition, text in texts.items():
        questions = tuple(_question(table, row, column, condition) for row, column in asked)
        name = f"{table.id}-{'sentences' if condition == sentences else 'table'}"
        example = Example((text,), questions, TablesSuite.name)
        reference = "" if condition == sentences else sentences
        cases.append(make_case(model.base, name, example, condition=condition, reference=reference))
    return cases


def _question(table: FactTable, row: int, column: int, condition: str) -> Question:
    name, *values = table.rows[row]
    return Question(table.columns[column]["question"].format(row=name), (values[column],), condition, "contained")


def in_sentences(table: FactTable) -> str:
    """Write a sentence for each value, and a paragraph for each row."""
    paragraphs = [
        " ".join(
            capitalize_first(column["statement"].format(row=name, value=value))
            for column, value in zip(table.columns, values, strict=True)
        )
        for name, *values in table.rows
    ]
    return "\n\n".join([table.title, *paragraphs])


def _as_markdown(table: FactTable) -> str:
    lines = [[table.row_name, *table.names], ["---"] * (1 + len(table.columns)), *table.rows]
    return f"# {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_csv(table: FactTable) -> str:
    """As lorify reads a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows([[table.row_name, *table.names], *table.rows])
    return document_from_bytes(text.getvalue().encode(), f"{table.title}.csv", ".csv", MAX_BYTES).text


def _with_headings(table: FactTable) -> str:
    parts = [f"# {table.title}"]
    for name, *values in table.rows:
        items = "\n".join(f"- {key}: {value}" for key, value in zip(table.names, values, strict=True))
        parts.append(f"## {name}\n\n{items}")
    return "\n\n".join(parts)


def _as_code(table: FactTable) -> str:
    settings = {name: dict(zip(table.names, values, strict=True)) for name, *values in table.rows}
    return f"# {table.title}\n" + json.dumps(settings, indent=4, ensure_ascii=False)


def _as_values(table: FactTable) -> str:
    """Names and values one after another, as on a label."""
    labels = [
        "\n".join([name, *(f"{key} {value}" for key, value in zip(table.names, values, strict=True))])
        for name, *values in table.rows
    ]
    return "\n\n".join([table.title, *labels])


FORMS: dict[str, Callable[[FactTable], str]] = {
    "markdown": _as_markdown,
    "csv": _as_csv,
    "headings": _with_headings,
    "code": _as_code,
    "values": _as_values,
}
"""Writes a table in each form."""
