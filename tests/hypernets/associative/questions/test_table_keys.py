"""A row that a question names exactly comes before rows whose keys are only similar."""

import pytest
import torch
from tiny_lorify import judging_lorify

from lorify.contexts.documents import document_from_text
from lorify.contexts.tables.markdown_rows import rows_in_words
from lorify.hypernets.associative.questions.table_keys import other_rows, row_shares, without_other_rows

PUMPS = rows_in_words(
    """# Pumps

| Article | Price | Hall | Replaces |
|---|---|---|---|
| K300 | 42 euros | 3 | |
| K300-L | 57 euros | 7 | K300 |
| K30 | 18 euros | 3 | |
| Mark Hall | 9 euros | 1 | |
| Mark Hall Jr. | 8 euros | 12 | |

The K30 and the K300 are stored dry.
"""
)


def kept(question: str, text: str = PUMPS) -> list[str]:
    """Keys of the rows that may hold the answer."""
    left = without_other_rows(question, text, [text])[0]
    return [line.split(": ")[1].split(";")[0] for line in left.split("\n") if line.startswith("Article: ")]


@pytest.mark.parametrize(
    "question, keys",
    [
        ("What is the price of K300-L?", ["K300-L"]),
        ("What is the price of k300-l", ["K300-L"]),
        ("What is K300-L's price?", ["K300-L"]),
        ("What is the price of the K 300?", ["K300", "K300-L"]),
        ("What is the price of K300L?", ["K300-L"]),
        ("What is the price of the k-30", ["K30"]),
        ("What replaces K300?", ["K300", "K300-L"]),  # the other row refers to it
        ("Is it K30 or K300-L?", ["K300-L", "K30"]),
        ("What does the Mark Hall Jr. cost?", ["Mark Hall Jr."]),
        ("What does the Mark Hall cost?", ["Mark Hall"]),
        ("Which article costs 57 euros?", ["K300-L"]),
        ("Which article is in hall 3?", ["K300", "K30"]),
        ("Is K30 stored in hall 7?", ["K30"]),
        ("What is the price of K300?\nAnd of K30?", ["K30"]),
        # these name no row
        ("What is the price of the K3?", ["K300", "K300-L", "K30", "Mark Hall", "Mark Hall Jr."]),
        ("Where are the 3 cheapest?", ["K300", "K300-L", "K30", "Mark Hall", "Mark Hall Jr."]),
        ("What is the price of K300-X/L?", ["K300", "K300-L", "K30", "Mark Hall", "Mark Hall Jr."]),
    ],
)
def test_the_rows_of_the_exact_key_are_kept(question, keys):
    assert kept(question) == keys


def test_only_rows_are_left_out():
    (left,) = without_other_rows("What is the price of K300-L?", PUMPS, [PUMPS])
    assert left.startswith("# Pumps") and left.rstrip().endswith("The K30 and the K300 are stored dry.")
    assert other_rows("What is the price of K300?", "Note: K300 is old. It is sold; ask K300-L.") == []
    assert other_rows("Who may go?", rows_in_words("| Day | Rule |\n|---|---|\n| who | may |\n| Monday | go |")) == []


def test_tokens_of_other_rows_belong_to_no_answer():
    model = judging_lorify(None, None)
    adapter = model.internalize(document_from_text(PUMPS, "pumps"))
    question = "What is the price of K300-L?"
    (evidence,) = model.internalizer.locate(adapter, question)
    shares = row_shares(question, evidence.ids, model.base.decode_text)
    assert shares is not None and 0 < shares.mean() < 1
    assert evidence.probabilities[shares == 0].max() == 0
    assert (evidence.probabilities[shares == 1] > 0).float().mean() > 0.9
    text = model.base.decode_text([token for token, share in zip(evidence.ids, shares, strict=True) if share])
    assert "57 euros" in text and "42 euros" not in text and "18 euros" not in text
    assert evidence.span is not None or torch.isfinite(evidence.probabilities).all()
    assert row_shares("What is stored dry?", evidence.ids, model.base.decode_text) is None
