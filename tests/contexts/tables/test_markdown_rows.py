import pytest

from lorify.contexts.tables.markdown_rows import rows_in_words

TABLE = "| size | price |\n|:---|---:|\n| small | 3 euros |\n| large | 5 euros |"


def test_each_row_names_its_columns():
    text = f"# Prices\n\n{TABLE}\n\nNo discount."
    expected = "# Prices\n\nsize: small; price: 3 euros.\nsize: large; price: 5 euros.\n\nNo discount."
    assert rows_in_words(text) == expected


def test_outer_bars_may_be_missing_and_bars_in_cells_escaped():
    assert rows_in_words("a | b\n--- | ---\n1 | x \\| y") == "a: 1; b: x | y."


def test_empty_cells_are_left_out_and_rows_may_be_ragged():
    rows = "| a | b |\n|---|---|\n| 1 | |\n| | |\n| 1 | 2 | 3 |\n| 1 |"
    assert rows_in_words(rows) == "a: 1.\n\na: 1; b: 2; 3.\na: 1."


def test_several_tables_keep_their_own_columns():
    assert rows_in_words(f"{TABLE}\n\n| a | b |\n|---|---|\n| 1 | 2 |").endswith("price: 5 euros.\n\na: 1; b: 2.")


@pytest.mark.parametrize(
    "text",
    [
        "Choose yes | no.\nThen press enter.\nOr a | b.",
        "| one line | of bars |",
        "a | b\n--- | ---",
        "Title\n---\nText with a | bar.",
        "| a | b |\n|---|\n| 1 | 2 |",
        "",
    ],
)
def test_what_is_no_table_stays_as_it_is(text: str):
    assert rows_in_words(text) == text


def test_a_large_table_takes_little_time():
    rows = "\n".join(f"| item {i} | {i} |" for i in range(50_000))
    text = rows_in_words(f"| name | count |\n|---|---|\n{rows}")
    assert text.endswith("name: item 49999; count: 49999.") and text.count("\n") == 49_999
