import csv

from lorify.evaluation.reports.tables import as_csv, as_markdown

ROWS = [{"a": 1, "b": None, "c": ""}, {"a": 2, "b": None, "c": "x, y"}]


def test_csv_has_a_header_and_every_column():
    assert list(csv.DictReader(as_csv(ROWS).splitlines())) == [
        {"a": "1", "b": "", "c": ""},
        {"a": "2", "b": "", "c": "x, y"},
    ]


def test_columns_without_a_value_are_left_out_of_markdown():
    assert as_markdown(ROWS).splitlines()[0] == "| a | c |"
