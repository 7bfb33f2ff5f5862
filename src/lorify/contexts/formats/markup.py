"""Rich text (RTF), notebooks and JSON as text."""

from __future__ import annotations

import json
import re
from typing import Any

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.web import html_to_markdown

_LONG_LINE_CHARS = 500
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_text(source: FileContent) -> str:
    """Read a plain text as it is."""
    return decode(source.data, source.name)


def read_rtf(source: FileContent) -> str:
    """Read a rich text without its control words."""
    from striprtf.striprtf import rtf_to_text

    text = rtf_to_text(source.data.decode("latin-1"), errors="replace")
    return re.sub(r"^\|?(.*)\|$", lambda row: f"| {row.group(1).replace('|', ' | ')} |", text, flags=re.M)


def read_json(source: FileContent) -> str:
    """Read JSON; what is written in one long line is indented."""
    text = decode(source.data, source.name)
    if max(map(len, text.splitlines()), default=0) <= _LONG_LINE_CHARS:
        return text
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:  # JSON lines, or no JSON at all
        return text


def read_notebook(source: FileContent) -> str:
    """Read a Jupyter notebook: its texts, code, and what the code printed."""
    notebook = json.loads(decode(source.data, source.name))
    language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    parts: list[str] = []
    for cell in notebook["cells"]:
        text = _joined(cell.get("source", ""))
        parts.append(text if cell.get("cell_type") == "markdown" else f"```{language}\n{text}\n```")
        parts += [f"Output:\n\n{shown}" for output in cell.get("outputs", []) if (shown := _output(output).strip())]
    return "\n\n".join(parts)


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
