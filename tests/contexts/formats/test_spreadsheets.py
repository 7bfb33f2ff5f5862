import datetime
from pathlib import Path

from contexts.formats.builders import xlsx

from lorify.contexts.documents import document_from_bytes


def read(data: bytes, suffix: str = ".xlsx") -> str:
    return document_from_bytes(data, "a" + suffix, suffix, 1 << 24).text


def test_each_sheet_is_a_table_with_its_name():
    found = read(xlsx({"Plan": [["Task", "Owner"], ["Design", "Ana"]], "Costs": [["Item", "Euro"], ["Lamp", 55]]}))
    assert found == (
        "## Plan\n\n| Task | Owner |\n| --- | --- |\n| Design | Ana |\n\n"
        "## Costs\n\n| Item | Euro |\n| --- | --- |\n| Lamp | 55 |"
    )


def test_values_are_shown_as_excel_shows_them():
    rows = [["Date", "Share", "Price", "Sum", "Done"], [datetime.date(2026, 1, 5), 0.125, 12.5, 0.1 + 0.2, True]]
    found = read(xlsx({"S": rows}, {"A2": "yyyy-mm-dd", "B2": "0.0%", "C2": '"$"#,##0.00'}))
    assert "| 2026-01-05 | 12.5% | $12.50 | 0.3 | TRUE |" in found


def test_formulas_without_a_value_are_shown():
    assert "| 2 | 3 | =A2*B2 |" in read(xlsx({"S": [["a", "b", "c"], [2, 3, "=A2*B2"]]}))


def test_blocks_of_a_sheet_are_tables_of_their_own():
    rows = [["PLAN"], [], ["Task", "Owner"], ["Design", "Ana"], [], ["Item", "Euro"], ["Lamp", 55]]
    assert read(xlsx({"S": rows})).count("| --- | --- |") == 2


def test_a_cell_far_from_the_others_takes_no_memory():
    import io

    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD90000"] = "near", "far"
    buffer = io.BytesIO()
    book.save(buffer)
    found = read(buffer.getvalue())
    assert "near" in found and "far" in found and len(found) < 200


def test_old_workbooks_are_read():
    data = (Path(__file__).parents[2] / "data" / "files" / "prices.xls").read_bytes()
    assert (
        read(data, ".xls")
        == "## Prices\n\n| Item | Price | Since |\n| --- | --- | --- |\n| Bench | 12.5 | 2024-03-01 |\n| Lamp | 55 |  |"
    )
