"""Rich text (RTF), notebooks and JSON as text."""

from __future__ import annotations

import json
import re
from typing import Any

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.web import html_to_markdown

_LONG_LINE_CHARS = 500
_BESIDE_TEXT = re.compile(r"\{(?:\\\*)?\\(?:header[lrf]?|footer[lrf]?|footnote|annotation)(?![a-z])")
_BRACE = re.compile(r"\\.|[{}]", re.S)
"""A brace, or an escaped character (which does not count as a brace)."""
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_text(source: FileContent) -> str:
    """Read a plain text unchanged."""
    return decode(source.data, source.name)


def read_rtf(source: FileContent) -> str:
    """Read rich text without its control words."""
    from striprtf.striprtf import rtf_to_text

    text = rtf_to_text(_with_parts_beside_text(source.data.decode("latin-1")), errors="replace")
    return re.sub(r"^\|?(.*)\|$", lambda row: f"| {row.group(1).replace('|', ' | ')} |", text, flags=re.M)


def _with_parts_beside_text(rtf: str) -> str:
    """Move headers, footers, footnotes and comments to the end, since the converter drops these groups."""
    parts: list[str] = []
    kept: list[str] = []
    position = 0
    for match in _BESIDE_TEXT.finditer(rtf):
        end = _group_end(rtf, match.start())
        if match.start() < position or end is None:
            continue
        parts.append(rtf[match.end() : end - 1])
        kept.append(rtf[position : match.start()] + "{}")
        position = end
    if not parts:
        return rtf
    body = "".join(kept) + rtf[position:]
    last = body.rfind("}")
    return body[:last] + "".join(f"\\par {{{part}}}" for part in parts) + body[last:]


def _group_end(rtf: str, start: int) -> int | None:
    """Return the position after the group that starts at a brace; None if the group is not closed."""
    depth = 0
    for match in _BRACE.finditer(rtf, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.end()
    return None


def read_json(source: FileContent) -> str:
    """Read JSON; JSON in one long line is indented."""
    text = decode(source.data, source.name)
    if max(map(len, text.splitlines()), default=0) <= _LONG_LINE_CHARS:
        return text
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:  # JSON lines, or not JSON
        return text


def read_notebook(source: FileContent) -> str:
    """Read a Jupyter notebook: its texts, code and printed output."""
    notebook = json.loads(decode(source.data, source.name))
    language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    parts: list[str] = []
    for cell in _notebook_cells(notebook):
        text = _joined(cell.get("source", cell.get("input", "")))
        if cell.get("cell_type") == "heading":
            text = f"{'#' * int(cell.get('level', 1))} {text}"
        parts.append(f"```{language}\n{text}\n```" if cell.get("cell_type") == "code" else text)
        parts += [f"Output:\n\n{shown}" for output in cell.get("outputs", []) if (shown := _output(output).strip())]
    return "\n\n".join(parts)


def _notebook_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of a notebook; before format 4, they were in worksheets."""
    if "worksheets" in notebook:
        return [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    return notebook["cells"]


def looks_like_notebook(text: str) -> bool:
    """Return whether a text is a Jupyter notebook."""
    return text.lstrip().startswith("{") and '"nbformat"' in text and '"cells"' in text


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data and "<table" in _joined(data["text/html"]):
        return html_to_markdown(_joined(data["text/html"]))
    error = f"{output['ename']}: {output.get('evalue', '')}" if "ename" in output else ""
    return _TERMINAL_CODE.sub("", _joined(output.get("text", data.get("text/plain", error))))


def _joined(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
