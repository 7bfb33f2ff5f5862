from contexts.formats.builders import pptx

from lorify.contexts.documents import document_from_bytes


def test_slides_are_read_with_their_tables_and_notes():
    data = pptx(
        "Larch Baths",
        "The bath master is Oona Tervo.",
        "The budget is 84,000 euros.",
        [["Item", "Euro"], ["Lamp", "55"]],
    )
    found = document_from_bytes(data, "a.pptx", ".pptx", 1 << 24).text
    assert found.startswith("Slide 1\n# Larch Baths\nThe bath master is Oona Tervo.")
    assert "| Lamp | 55 |" in found and "The budget is 84,000 euros." in found and "<!--" not in found
