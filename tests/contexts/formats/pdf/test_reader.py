"""PDFs as text: reading order, tables, form values, letters, and pages that cannot be read."""

from pathlib import Path

import pytest
from contexts.formats.pdf_pages import HELVETICA, cells, grid, line, pdf, text

from lorify.contexts.documents import document_from_bytes
from lorify.errors import ContextError, ContextTooLargeError

PROSE = [
    "The harbour of Osby was built in 1884 by Ingrid",
    "Solberg, who had studied the tides for nine years",
    "before the first stone was laid. The northern pier",
    "is 640 metres long and carries two railway tracks.",
    "In winter the ice breaker Petrel keeps the channel",
    "open for the mail boat and the fishing fleet here.",
]
OTHER = [
    "The lighthouse stands on the southern pier and can",
    "be seen from a distance of eighteen nautical miles",
    "in clear weather. Its keeper is Kasimir Blau, who",
    "lives in the small white house beside the tower in",
    "summer and in the village during the other months",
    "of the year, when the road is covered by deep snow.",
]
PRICES = [["Item", "Colour", "Price"], ["Bench", "blue", "120"], ["Table", "green", "340"], ["Lamp", "white", "55"]]
PRICE_TABLE = (
    "| Item | Colour | Price |\n| --- | --- | --- |\n| Bench | blue | 120 |\n"
    + "| Table | green | 340 |\n| Lamp | white | 55 |"
)


def read(data: bytes, *, max_pages: int | None = None) -> str:
    return document_from_bytes(data, "a.pdf", ".pdf", 1 << 24, max_pages=max_pages).text


def column(x: float, lines: list[str], top: float = 700) -> list[bytes]:
    return [text(x, top - 14 * number, words) for number, words in enumerate(lines)]


def test_lines_of_a_paragraph_are_joined():
    assert read(pdf(b"".join(column(72, PROSE)))) == " ".join(PROSE)


def test_paragraphs_with_space_between_them_stay_apart():
    assert read(pdf(b"".join(column(72, PROSE) + column(72, OTHER, 590)))) == " ".join(PROSE) + "\n\n" + " ".join(OTHER)


def test_two_columns_are_read_one_after_the_other():
    page = text(250, 740, "Osby", 16) + b"".join(column(50, PROSE) + column(320, OTHER))
    assert read(pdf(page)) == "Osby\n\n" + " ".join(PROSE) + "\n\n" + " ".join(OTHER)


def test_two_columns_that_are_drawn_line_by_line_are_read_one_after_the_other():
    rows = zip(column(50, PROSE), column(320, OTHER), strict=True)
    assert read(pdf(b"".join(part for row in rows for part in row))) == " ".join(PROSE) + "\n\n" + " ".join(OTHER)


def test_columns_that_are_drawn_in_the_wrong_order_are_read_from_the_left():
    assert read(pdf(b"".join(column(320, OTHER) + column(50, PROSE)))).startswith(PROSE[0])


def test_text_across_the_page_is_read_before_and_after_its_columns():
    whole = "A notice that runs across both columns of the page, from its left margin to the right one of the other."
    page = text(50, 600, whole) + b"".join(column(50, PROSE) + column(320, OTHER))
    page += b"".join(column(50, PROSE[::-1], 570) + column(320, OTHER[::-1], 570))
    found = read(pdf(page))
    places = [
        found.index(part)
        for part in (PROSE[0], OTHER[0], whole, PROSE[-1] + " " + PROSE[-2], OTHER[-1] + " " + OTHER[-2])
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotated_pages_are_read_like_others(rotation):
    assert read(pdf(b"".join(column(72, PROSE)), page=b"/Rotate %d" % rotation)) == " ".join(PROSE)


@pytest.mark.parametrize("matrix", [b"0 1 -1 0 600 0", b"0 -1 1 0 0 790", b"-1 0 0 -1 610 790"])
def test_text_that_is_drawn_sideways_is_read_like_other_text(matrix):
    page = b"q %s cm\n%s Q" % (matrix, b"".join(column(72, PROSE, 500)))
    assert read(pdf(page)) == " ".join(PROSE)


def test_a_sideways_table_has_its_rows():
    page = grid([50, 150, 250, 350], [420, 440, 460, 480, 500]) + cells([55, 155, 255], [485, 465, 445, 425], PRICES)
    assert read(pdf(b"q 0 1 -1 0 600 0 cm\n%s Q" % page)) == PRICE_TABLE


def test_a_ruled_table_keeps_its_rows():
    page = grid([50, 150, 250, 350], [620, 640, 660, 680, 700])
    assert read(pdf(page + cells([55, 155, 255], [685, 665, 645, 625], PRICES))) == PRICE_TABLE


def test_a_ruled_table_that_is_drawn_column_by_column_keeps_its_rows():
    rows = [list(row) for row in zip(*PRICES, strict=True)]
    drawn = b"".join(
        text(x, y, cell)
        for x, row in zip([55, 155, 255], rows, strict=True)
        for y, cell in zip([685, 665, 645, 625], row, strict=True)
    )
    assert read(pdf(grid([50, 150, 250, 350], [620, 640, 660, 680, 700]) + drawn)) == PRICE_TABLE


def test_a_cell_of_two_lines_is_one_cell():
    page = grid([50, 150, 350], [600, 640, 660]) + text(55, 645, "Item") + text(155, 645, "Note")
    page += text(55, 627, "Bench") + text(155, 627, "made of oak that was") + text(155, 613, "felled in Osby")
    assert read(pdf(page)) == "| Item | Note |\n| --- | --- |\n| Bench | made of oak that was felled in Osby |"


def test_rows_between_a_heading_line_and_a_frame_stay_apart():
    page = grid([50, 150, 250, 350], [600, 680, 700])
    assert read(pdf(page + cells([55, 155, 255], [685, 660, 645, 630], PRICES))) == PRICE_TABLE


def test_a_table_of_filled_rectangles_keeps_its_rows():
    shades = b"".join(b"0.9 g %d %d 99 19 re f 0 g\n" % (x, y) for y in (620, 640, 660, 680) for x in (50, 150, 250))
    assert read(pdf(shades + cells([55, 155, 255], [685, 665, 645, 625], PRICES))) == PRICE_TABLE


def test_a_table_without_lines_keeps_its_rows():
    assert read(pdf(cells([55, 200, 300], [685, 668, 651, 634], PRICES))) == PRICE_TABLE


def test_a_table_with_lines_across_only_keeps_its_rows():
    lines = line(50, 700, 350, 700) + line(50, 680, 350, 680) + line(50, 628, 350, 628)
    assert read(pdf(lines + cells([55, 200, 300], [685, 668, 651, 634], PRICES))) == PRICE_TABLE


def test_empty_cells_leave_the_others_in_their_columns():
    rows = [["Item", "Stock", "Price"], ["Bench", "", "120"], ["", "7", ""], ["Lamp", "9", "55"]]
    assert "| Bench |  | 120 |" in read(pdf(cells([55, 200, 300], [685, 660, 635, 610], rows)))


def test_text_around_a_table_stays_outside():
    page = b"".join(column(50, PROSE)) + cells([55, 200, 300], [585, 568, 551, 534], PRICES)
    assert (
        read(pdf(page + b"".join(column(50, OTHER, 490)))) == f"{' '.join(PROSE)}\n\n{PRICE_TABLE}\n\n{' '.join(OTHER)}"
    )


def test_a_frame_is_no_table():
    assert read(pdf(grid([40, 570], [600, 720]) + b"".join(column(50, PROSE)))) == " ".join(PROSE)


def test_numbered_items_are_no_table():
    page = (
        text(50, 700, "1.")
        + text(80, 700, "Open the valve")
        + text(50, 684, "2.")
        + text(80, 684, "Wait for nine minutes")
    )
    page += text(50, 668, "3.") + text(80, 668, "Close the valve")
    assert read(pdf(page)) == "1. Open the valve\n2. Wait for nine minutes\n3. Close the valve"


def test_a_receipt_keeps_its_lines():
    lines = ["USB-C Hub 7-in-1", "ACC-8834 2 @ $79.99", "$159.98", "---------------------", "SUBTOTAL $863.91"]
    assert read(pdf(b"".join(column(72, lines)))).split("\n") == lines


def test_a_word_that_is_divided_at_a_line_end_is_joined():
    lines = [
        "The committee decided in its last session that the foun-",
        "dation will be repaired before the winter begins there.",
    ]
    assert "the foundation will be" in read(pdf(b"".join(column(72, lines))))


def test_a_compound_at_a_line_end_keeps_its_hyphen():
    lines = [
        "A well-known architect was asked for a plan, and the well-",
        "known architect, after a long delay, sent the first draft.",
    ]
    assert "the well-known architect, after" in read(pdf(b"".join(column(72, lines))))


def test_ligatures_become_letters():
    font = HELVETICA.replace(b">>", b"/Encoding << /Differences [1 /fi /fl] >> >>")
    page = b"BT /F1 10 Tf 72 700 Td (The of\\001ce on the \\002oor) Tj ET"
    assert read(pdf(page, font=font)) == "The office on the floor"


def test_double_struck_letters_count_once():
    places = zip("Data", (72, 79.2, 84.8, 87.6), strict=True)
    page = b"".join(text(x + shift, 700, letter) for letter, x in places for shift in (0, 0.3))
    assert read(pdf(page)) == "Data"


def test_a_line_that_is_drawn_twice_counts_once():
    assert read(pdf(text(72, 700, "Total 863.91") + text(72.3, 700, "Total 863.91"))) == "Total 863.91"


def test_double_letters_stay():
    assert read(pdf(text(72, 700, "Hello, all three bottles will fall off 1,100 shelves"))) == (
        "Hello, all three bottles will fall off 1,100 shelves"
    )


def form(*fields: bytes) -> bytes:
    numbers = b" ".join(b"%d 0 R" % (10 + number) for number in range(len(fields)))
    widget = b"<< /Type /Annot /Subtype /Widget /Rect [200 690 400 710] %s >>"
    return pdf(
        text(72, 700, "Bath master:"),
        page=b"/Annots [%s]" % numbers,
        catalog=b"/AcroForm << /Fields [%s] >>" % numbers,
        more=[widget % field for field in fields],
    )


def test_values_of_form_fields_are_read_with_their_names():
    found = read(form(b"/FT /Tx /T (master) /V (Oona Tervo)", b"/FT /Tx /T (empty)"))
    assert found == "Bath master:\n\nmaster: Oona Tervo"


def test_form_fields_are_named_by_their_description():
    assert "Name of the bath master: Oona Tervo" in read(
        form(b"/FT /Tx /T (f1) /TU (Name of the bath master) /V (Oona Tervo)")
    )


def test_chosen_options_and_checked_boxes_are_read():
    found = read(
        form(
            b"/FT /Ch /Ff 131072 /T (town) /Opt [(Osby) (Lund)] /V (Lund)",
            b"/FT /Btn /T (heated) /V /Yes /AS /Yes /AP << /N << /Yes 3 0 R /Off 3 0 R >> >>",
            b"/FT /Btn /T (indoor) /V /Off /AS /Off /AP << /N << /Yes 3 0 R /Off 3 0 R >> >>",
        )
    )
    assert "town: Lund" in found and "heated: Yes" in found and "indoor" not in found


def test_headers_and_page_numbers_of_many_pages_are_kept_once():
    pages = [
        text(72, 770, "Handbook of the harbour")
        + text(72, 700, f"Rule {word} is in force.")
        + text(300, 30, str(number))
        for number, word in enumerate(["one", "two", "three", "four"], start=1)
    ]
    found = read(pdf(*pages))
    assert found.count("Handbook of the harbour") == 1
    assert all(f"Rule {word} is in force." in found for word in ("one", "two", "three", "four"))


def test_a_font_without_letters_is_refused():
    data = (Path(__file__).parents[3] / "data" / "files" / "unmapped-font.pdf").read_bytes()
    with pytest.raises(ContextError, match=r"page 1 of 1 has fonts that do not say which letters they show.*OCR"):
        read(data)


def image(width: int = 600) -> bytes:
    return b"q %d 0 0 780 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q\n" % width


def test_a_scan_is_refused():
    with pytest.raises(ContextError, match=r"without a text layer \(a scan\).*OCR"):
        read(pdf(image()))


def test_a_scanned_page_among_others_is_named():
    found = read(pdf(text(72, 700, "The first page."), image(), text(72, 700, "The last page.")))
    assert found == "The first page.\n\n[page 2 is a picture without text]\n\nThe last page."


def test_an_empty_page_among_others_is_left_out():
    assert read(pdf(text(72, 700, "The first page."), b"", text(72, 700, "The last one."))) == (
        "The first page.\n\nThe last one."
    )


def test_too_many_pages_are_refused():
    with pytest.raises(ContextTooLargeError, match="has more than 2 pages; split it"):
        read(pdf(*[text(72, 700, "A page.")] * 3), max_pages=2)


def test_a_watermark_comes_after_the_text():
    page = b"BT /F1 60 Tf 0.7 0.7 -0.7 0.7 150 200 Tm (DRAFT) Tj ET\n" + b"".join(column(72, PROSE))
    assert read(pdf(page)) == " ".join(PROSE) + "\n\nDRAFT"


def test_a_page_of_very_many_characters_is_refused():
    with pytest.raises(ContextTooLargeError, match="characters; split it"):
        read(pdf(b"".join(text(72, y, str(y) * 700) for y in range(110, 220))))


def test_a_drawing_of_very_many_lines_does_not_take_long():
    lines = b"".join(line(50 + number % 500, 100, 50 + number % 497, 650) for number in range(30_000))
    assert read(pdf(lines + b"".join(column(72, PROSE)))) == " ".join(PROSE)
