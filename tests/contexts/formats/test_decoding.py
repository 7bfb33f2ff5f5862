import pytest

from lorify.contexts.documents import document_from_bytes


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Café crème 3,50 €", "cp1252"),
        ("Naïve façade — “quoted”", "cp1252"),
        ("Preis: 5 £", "latin-1"),
        ("Año nuevo: el niño comió piñones", "latin-1"),
        ("Привет мир, как дела", "cp1251"),
        ("Zażółć gęślą jaźń", "cp1250"),
        ("Gartenbänke", "utf-16-le"),
    ],
)
def test_short_texts_in_older_encodings(text, encoding):
    assert document_from_bytes(text.encode(encoding), "a.txt", ".txt", 1000).text == text
