"""PDFs written by hand: texts and lines at places, with any objects besides."""

from collections.abc import Sequence

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def text(x: float, y: float, words: str, size: float = 10) -> bytes:
    """A text whose baseline begins at a place, in points from the lower left corner."""
    escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return b"BT /F1 %g Tf %g %g Td (%s) Tj ET\n" % (size, x, y, escaped.encode("cp1252"))


def line(x0: float, y0: float, x1: float, y1: float) -> bytes:
    return b"%g %g m %g %g l S\n" % (x0, y0, x1, y1)


def grid(xs: list[float], ys: list[float]) -> bytes:
    """Ruling lines at all places."""
    across = b"".join(line(xs[0], y, xs[-1], y) for y in ys)
    return across + b"".join(line(x, ys[0], x, ys[-1]) for x in xs)


def cells(xs: list[float], ys: list[float], rows: list[list[str]]) -> bytes:
    """Texts of a table: the left ends of its columns, the baselines of its rows."""
    return b"".join(text(x, y, cell) for y, row in zip(ys, rows, strict=True) for x, cell in zip(xs, row, strict=True))


def pdf(
    *pages: bytes, font: bytes = HELVETICA, page: bytes = b"", catalog: bytes = b"", more: Sequence[bytes] = ()
) -> bytes:
    """A PDF of pages with these contents.

    `page` and `catalog` are further entries of each page and of the catalog; `more` are further objects, the first of
    them with the number 10.
    """
    first = 10 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(pages)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        3: font,
    }
    objects |= {10 + number: body for number, body in enumerate(more)}
    for number, content in enumerate(pages):
        objects[first + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> %s >>" % (first + 2 * number + 1, page)
        )
        objects[first + 2 * number + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    out, offsets = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%d 1\n%010d 00000 n \n" % item for item in offsets.items())
    start = len(out)
    return out + b"xref\n0 1\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        max(objects) + 1,
        start,
    )
