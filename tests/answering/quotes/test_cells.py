"""Cells of tables, by the row and the column that a question names."""

import pytest

from lorify.answering.quotes.cells import find_cell
from lorify.contexts.tables.markdown_rows import rows_in_words

SAWS = rows_in_words(
    """# Saws of the range Holm

| Model | Max. depth | Weight | Price |
|---|---|---|---|
| S20 | 40 mm | 2.1 kg | 99 euros |
| S20-X | 55 mm | 2.4 kg | 129 euros |
| S45 | 80 mm | 4.8 kg | 245 euros |

The S45 needs a stand.

| option | default | meaning |
|---|---|---|
| `--speed` | 30 | turns in a second |
| `--dry-run` | off | print what would be cut |

| status | reason |
|---|---|
| 0 | done |
| 3 | blade broken |
"""
)


@pytest.mark.parametrize(
    ("question", "cell"),
    [
        ("How much does the S20 cost?", "99 euros"),
        ("How much does the S 20 cost?", "99 euros"),
        ("What is the price of the s20x?", "129 euros"),
        ("How heavy is the S20-X?", "2.4 kg"),
        ("What does the S-45 weigh?", "4.8 kg"),
        ("How much does the S45 weigh?", "4.8 kg"),
        ("How much is the S45?", "245 euros"),
        ("What is the maximum depth of the S45?", "80 mm"),
        ("What is the max. depth of the S45?", "80 mm"),
        ("Which saw costs 245 euros?", "S45"),
        ("Which model weighs 2.1 kg?", "S20"),
        ("What is the default speed?", "30"),
        ("What is the default of --dry-run?", "off"),
        ("What does --dry-run do?", "print what would be cut"),
        ("What does the speed option mean?", "turns in a second"),
        ("What is the reason of status 3?", "blade broken"),
    ],
)
def test_the_row_and_the_column_give_the_cell(question, cell):
    found = find_cell(question, SAWS)
    assert found is not None and found.text == cell
    assert found.sentence in SAWS and cell in found.sentence


@pytest.mark.parametrize(
    "question",
    [
        "What is the warranty of the S20?",
        "How much does the S20 cost in Peru?",
        "How much do the S20 and the S45 cost?",
        "How much does it cost?",
        "Does the S20 cost 99 euros?",
        "Which saw is the lightest?",
        "What is the weight and the price of the S20?",
        "Why does the S45 need a stand?",
        "",
    ],
)
def test_what_no_single_cell_answers_is_left_to_others(question):
    assert find_cell(question, SAWS) is None
