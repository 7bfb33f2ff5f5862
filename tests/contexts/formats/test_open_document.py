from contexts.formats.builders import open_document

from lorify.contexts.documents import document_from_bytes


def read(data: bytes, name: str) -> str:
    return document_from_bytes(data, name, name[name.rindex(".") :], 1 << 24).text


def row(*cells: str) -> str:
    return (
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in cells)
        + "</table:table-row>"
    )


def test_a_text_keeps_headings_lists_tables_and_footers():
    body = (
        '<office:text><text:h text:outline-level="2">Osby</text:h>'
        '<text:p>The pool<text:s text:c="1"/>is <text:span>25 m</text:span> long.</text:p>'
        "<text:list><text:list-item><text:p>towels</text:p></text:list-item>"
        "<text:list-item><text:p>soap</text:p></text:list-item></text:list>"
        f"<table:table>{row('Item', 'Euro')}{row('Lamp', '55')}</table:table></office:text>"
    )
    styles = "<style:footer><text:p>Keeper: Wanda Orsini</text:p></style:footer>"
    assert read(open_document("text", body, styles), "a.odt") == (
        "## Osby\n\nThe pool is 25 m long.\n\n- towels\n- soap\n\n| Item | Euro |\n| --- | --- |\n| Lamp | 55 |"
        "\n\nKeeper: Wanda Orsini"
    )


def test_the_empty_rest_of_a_sheet_is_left_out():
    empty = '<table:table-row table:number-rows-repeated="1048570">'
    empty += '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    body = f"<office:spreadsheet><table:table>{row('Item', 'Euro')}{row('Lamp', '55')}"
    body += f"{empty}</table:table></office:spreadsheet>"
    assert read(open_document("spreadsheet", body), "a.ods") == "| Item | Euro |\n| --- | --- |\n| Lamp | 55 |"
