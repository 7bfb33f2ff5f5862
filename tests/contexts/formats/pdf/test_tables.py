"""Tables of PDFs that are not framed, share lines with charts, or have a few cells that nearly touch."""

from contexts.formats.pdf_pages import cells, grid, line, pdf, text

from lorify.contexts.documents import document_from_bytes

PRICES = [["Item", "Colour", "Price"], ["Bench", "blue", "120"], ["Table", "green", "340"], ["Lamp", "white", "55"]]
PRICE_TABLE = (
    "| Item | Colour | Price |\n| --- | --- | --- |\n| Bench | blue | 120 |\n"
    "| Table | green | 340 |\n| Lamp | white | 55 |"
)
PROSE = [
    "The harbour of Osby was built in 1884 by Ingrid",
    "Solberg, who had studied the tides for nine years",
    "before the first stone was laid. The northern pier",
    "is 640 metres long and carries two railway tracks.",
]


def read(data: bytes) -> str:
    return document_from_bytes(data, "a.pdf", ".pdf", 1 << 24).text


def test_a_table_without_outer_lines_keeps_its_first_and_last_column():
    across = b"".join(line(50, y, 350, y) for y in (620, 640, 660, 680, 700))
    down = line(150, 620, 150, 700) + line(250, 620, 250, 700)
    assert read(pdf(across + down + cells([55, 155, 255], [685, 665, 645, 625], PRICES))) == PRICE_TABLE


def test_text_between_a_chart_and_a_table_that_share_a_frame_stays_text():
    chart = grid([50, 90, 130, 170, 210], [600, 610, 620]) + text(55, 603, "1991") + text(95, 603, "1996")
    table = grid([50, 150, 250, 350], [420, 440, 460, 480, 500]) + cells([55, 155, 255], [485, 465, 445, 425], PRICES)
    prose = b"".join(text(55, 580 - 14 * number, words) for number, words in enumerate(PROSE))
    found = read(pdf(chart + line(350, 420, 350, 620) + line(210, 600, 350, 600) + prose + table))
    assert " ".join(PROSE) in found.replace("\n", " ")
    assert "| Table | green | 340 |" in found


def test_a_cell_that_nearly_touches_the_next_column_stays_a_cell():
    rows = [["Family", "Name", "Town"], *([f"Family{n}", f"Name{n}", "Osby"] for n in range(8))]
    ys = [700 - 16 * number for number in range(11)]
    page = cells([50, 130, 230], ys[:9], rows)
    page += cells([50, 130, 230], ys[9:10], [["Szarangowiczkar", "Gustavo Alejandro", "Lund"]])
    page += cells([50, 130, 230], ys[10:], [["Blau", "Kasimir", "Lund"]])
    found = read(pdf(page))
    assert "| Szarangowiczkar | Gustavo Alejandro | Lund |" in found and "| Blau | Kasimir | Lund |" in found


def test_numbers_of_two_ruled_columns_that_nearly_touch_stay_apart():
    across = b"".join(line(50, y, 250, y) for y in (600, 620, 640, 660))
    down = line(50, 600, 50, 660) + line(250, 600, 250, 660) + line(100, 620, 100, 660) + line(100, 600, 100, 601)
    page = (
        across + down + line(150, 600, 150, 660) + cells([55, 102, 155], [645, 625], [["a", "b", "c"], ["1", "2", "3"]])
    )
    page += text(55, 605, "6,922,90") + text(102, 605, "12,664") + text(155, 605, "7")
    assert "| 6,922,90 | 12,664 | 7 |" in read(pdf(page))


def test_a_heading_across_columns_is_not_divided():
    page = cells([50, 200, 300], [664, 648, 632, 616, 600], [["Town", "1991", "1996"], *([["Osby", "17", "18"]] * 4)])
    found = read(pdf(page + text(50, 690, "Visitors of the harbour in the two years of the count")))
    assert "Visitors of the harbour in the two years of the count" in found
    assert found.count("| Osby | 17 | 18 |") == 4


def test_two_tables_with_different_columns_stay_two():
    upper = cells(
        [50, 200, 420], [700, 684, 668], [["Name:", "Ada", "Osby"], ["Job:", "Keeper", "Lund"], ["Pay:", "9", "4"]]
    )
    lower = cells(
        [50, 130, 190, 270, 350],
        [630, 614],
        [["Start", "End", "Shows", "Gross", "Net"], ["1/2", "3/4", "48", "12", "11"]],
    )
    found = read(pdf(upper + text(50, 646, "Summary") + lower))
    assert "| 1/2 | 3/4 | 48 | 12 | 11 |" in found


def test_a_first_cell_of_two_lines_is_one_cell():
    rows = [
        ["Gas", "Air", "Water"],
        ["Ammonia", "10", "-"],
        ["Chlorine and compounds", "", ""],
        ["(as HCl)", "20", "-"],
    ]
    rows += [
        ["Organic substances", "", ""],
        ["that are volatile", "30", "-"],
        ["Heavy metals", "", ""],
        ["Lead", "1", "2"],
    ]
    found = read(pdf(cells([50, 200, 300], [700 - 20 * number for number in range(8)], rows)))
    assert "| Chlorine and compounds (as HCl) | 20 | - |" in found
    assert "| Organic substances that are volatile | 30 | - |" in found
    assert "| Heavy metals |  |  |\n| Lead | 1 | 2 |" in found


def test_a_line_that_is_stretched_to_its_column_is_prose():
    stretched = b"BT /F1 10 Tf 12 Tw 50 658 Td (the islands have their own parliament here) Tj ET\n"
    prose = b"".join(text(50, 700 - 14 * number, words) for number, words in enumerate(PROSE[:3]))
    found = read(pdf(prose + stretched + text(50, 644, PROSE[3])))
    assert "|" not in found and "the islands have their own parliament here" in found


def test_labels_outside_the_lines_of_a_table_are_its_first_column():
    page = grid([150, 250, 350], [620, 640, 660, 680, 700]) + cells([55, 155, 255], [685, 665, 645, 625], PRICES)
    assert read(pdf(page)) == PRICE_TABLE


def test_prose_beside_a_table_is_no_column_of_it():
    prose = b"".join(text(50, 685 - 20 * number, words) for number, words in enumerate(PROSE))
    page = grid([330, 430, 530], [620, 640, 660, 680, 700])
    page += cells([335, 435], [685, 665, 645, 625], [row[1:] for row in PRICES])
    found = read(pdf(prose + page))
    assert "| Colour | Price |\n| --- | --- |\n| blue | 120 |" in found and PROSE[0] in found


def test_rows_of_values_under_headings_of_their_own_stay_rows():
    rows = [["Young:", "", ""], ["Head", "85.1%", "14.9%"], ["Control", "17.3%", "82.7%"], ["Old:", "", ""]]
    rows += [["Head", "79.8%", "20.2%"], ["Control", "13.9%", "86.1%"], ["All:", "", ""]]
    page = grid([50, 150, 250, 350], [500, 680, 700]) + cells([55, 155, 255], [685], [["Group", "Some", "None"]])
    found = read(pdf(page + cells([55, 155, 255], [660 - 18 * number for number in range(7)], rows)))
    assert "| Control | 17.3% | 82.7% |" in found and "| Head | 79.8% | 20.2% |" in found
