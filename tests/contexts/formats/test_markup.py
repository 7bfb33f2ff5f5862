import json

import pytest

from lorify.contexts.documents import document_from_bytes


def read(data: bytes, name: str) -> str:
    return document_from_bytes(data, name, name[name.rindex(".") :], 1 << 24).text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"The deputy is Kasimir Blau.\par", "The deputy is Kasimir Blau."),
        (rb"Gr\'f6\'dfe: 25 m", "Größe: 25 m"),
        (rb"price \u8364? 12 \emdash now", "price € 12 —now"),
        (rb"{\*\generator Word;}{\info{\author X}}kept", "kept"),
        (rb"\b bold\b0  and \i slanted\i0", "bold and slanted"),
    ],
)
def test_rich_text_loses_its_control_words(body, text):
    assert read(rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\f0\fs24 " + body + b"}", "a.rtf") == text


def test_a_table_of_rich_text_keeps_its_rows():
    row = rb"\trowd\cellx1000\cellx2000 %s\cell %s\cell\row"
    found = read(rb"{\rtf1\ansi " + row % (b"Item", b"Price") + row % (b"Bench", b"120") + b"}", "a.rtf")
    assert "Bench | 120" in found


def test_a_notebook_gives_texts_code_and_output():
    cells = [
        {"cell_type": "markdown", "source": ["# Pool\n", "It is long."]},
        {
            "cell_type": "code",
            "source": "print(5 * 5)",
            "outputs": [
                {"output_type": "stream", "text": ["25\n"]},
                {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}},
                {"output_type": "error", "ename": "ValueError", "evalue": "too long"},
            ],
        },
    ]
    found = read(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}).encode(), "a.ipynb")
    assert (
        found
        == "# Pool\nIt is long.\n\n```python\nprint(5 * 5)\n```\n\nOutput:\n\n25\n\nOutput:\n\nValueError: too long"
    )


def test_json_in_one_long_line_is_indented():
    value = {"pool": {"length": 25, "keeper": "Oona"}, "list": list(range(300))}
    found = read(json.dumps(value).encode(), "a.json")
    assert '\n  "length": 25,' in found and json.loads(found) == value


def test_short_json_and_json_lines_stay_as_they_are():
    text = '{"keeper": "Oona"}\n{"keeper": "Blau"}'
    assert read(text.encode(), "a.jsonl") == text


def test_xml_is_decoded_as_it_declares():
    text = '<?xml version="1.0" encoding="ISO-8859-2"?><n>Łódź</n>'
    assert "Łódź" in read(text.encode("iso-8859-2"), "a.xml")
