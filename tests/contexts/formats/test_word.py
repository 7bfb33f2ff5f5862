from contexts.formats.builders import docx, paragraph

from lorify.contexts.documents import document_from_bytes


def read(data: bytes) -> str:
    return document_from_bytes(data, "a.docx", ".docx", 1 << 24).text


def test_headers_and_footers_are_read_once():
    data = docx(
        paragraph("The pool opens at six."),
        header1=paragraph("Contract LB-7731"),
        header2=paragraph("Contract LB-7731"),
        footer1=paragraph("Keeper: Wanda Orsini"),
    )
    assert read(data) == "Contract LB-7731\n\nThe pool opens at six.\n\nKeeper: Wanda Orsini"


def test_comments_are_read_with_their_authors():
    data = docx(
        paragraph("The pool opens at six."),
        comments=f'<w:comment w:id="0" w:author="Rita">{paragraph("Check with the county.")}</w:comment>',
    )
    assert read(data) == "The pool opens at six.\n\nComment by Rita: Check with the county."


def test_footnotes_are_read():
    data = docx(
        '<w:p><w:r><w:t>The bath master is Oona Tervo.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>',
        footnotes=f'<w:footnote w:id="2">{paragraph("Her deputy is Kasimir Blau.")}</w:footnote>',
    )
    assert read(data) == "The bath master is Oona Tervo.[1]\n\n1. Her deputy is Kasimir Blau."


def test_tracked_changes_are_read_as_accepted():
    body = (
        "<w:p><w:r><w:t>The pool is </w:t></w:r>"
        '<w:del w:id="1"><w:r><w:delText>20</w:delText></w:r></w:del>'
        '<w:ins w:id="2"><w:r><w:t>25</w:t></w:r></w:ins>'
        "<w:r><w:t> metres long.</w:t></w:r></w:p>"
    )
    footer = '<w:p><w:del w:id="3"><w:r><w:delText>old</w:delText></w:r></w:del>'
    footer += '<w:ins w:id="4"><w:r><w:t>new</w:t></w:r></w:ins></w:p>'
    assert read(docx(body, footer1=footer)) == "The pool is 25 metres long.\n\nnew"


def test_the_first_row_of_a_table_is_its_heading():
    row = "<w:tr>{}</w:tr>"
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    table = "".join(row.format("".join(map(cell.format, cells))) for cells in (["Area", "Keeper"], ["Sauna", "Bruno"]))
    assert read(docx(f"<w:tbl>{table}</w:tbl>")) == "| Area | Keeper |\n| --- | --- |\n| Sauna | Bruno |"
