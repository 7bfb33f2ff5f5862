import pytest

from lorify.contexts.documents import document_from_bytes
from lorify.contexts.formats.tables import markdown_tables

TABLE = "| Artikel | Farbe | Preis |\n| --- | --- | --- |\n| Gießkanne | grün | 12,50 |\n| Schürze | blau | 8,90 |"
ROWS = [["Artikel", "Farbe", "Preis"], ["Gießkanne", "grün", "12,50"], ["Schürze", "blau", "8,90"]]


def read(data: bytes, name: str = "a.csv") -> str:
    return document_from_bytes(data, name, name[name.rindex(".") :], 1 << 24).text


def separated(separator: str, end: str = "\n") -> str:
    return "".join(separator.join(f'"{cell}"' if separator in cell else cell for cell in row) + end for row in ROWS)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_separator_in_any_encoding(separator, encoding):
    assert read(separated(separator).encode(encoding)) == TABLE


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(end):
    assert read(separated(";", end).encode()) == TABLE


def test_a_declared_separator_is_followed():
    assert read(b"sep=;\n" + separated(";").encode()) == TABLE


@pytest.mark.parametrize("name", ["a.tsv", "a.tab"])
def test_tab_separated_values(name):
    assert read(separated("\t").encode(), name) == TABLE


def test_lines_before_the_table_stay_lines():
    assert read(b"Price list of 2024\n\n" + separated(";").encode()) == f"Price list of 2024\n\n{TABLE}"


def test_commas_in_prose_cells_do_not_separate():
    text = "Name;Note\nBench;blue, heavy, old\nLamp;white, small, new\n"
    assert "| Bench | blue, heavy, old |" in read(text.encode())


def test_quoted_cells_may_hold_separators_lines_and_quotes():
    text = 'Name,Note\nBench,"blue, ""heavy""\nand old"\n'
    assert read(text.encode()) == '| Name | Note |\n| --- | --- |\n| Bench | blue, "heavy" and old |'


def test_a_quote_that_is_never_closed_loses_nothing():
    text = "Name;Size\n" + '"Bench;5\n' + "Lamp;7\n" * 60_000
    assert read(text.encode()).count("| Lamp | 7 |") == 60_000


def test_empty_rows_and_columns_are_left_out():
    assert read(b"Name;;Price;\n;;;\nBench;;120;\n") == "| Name | Price |\n| --- | --- |\n| Bench | 120 |"


def test_rows_of_unequal_length_keep_all_cells():
    assert (
        markdown_tables([["a", "b"], ["1"], ["2", "3", "4"]])
        == "| a | b |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 2 | 3 | 4 |"
    )


def test_one_column_is_a_table_too():
    assert read(b"Name\nBench\nLamp\n") == "| Name |\n| --- |\n| Bench |\n| Lamp |"
