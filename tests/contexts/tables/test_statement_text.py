"""Questions about a document do not ask for its markup."""

from lorify.answering.checks.fidelity import fidelity_questions
from lorify.contexts.documents import document_from_text
from lorify.contexts.tables.statement_text import statement_text
from lorify.data.cloze.statements import find_cloze_candidates

TABLE = """# The allotment

| Plot | Holder | Size |
|:-----|:------:|-----:|
| A1 | Mara Quill | 120 m2 |
| A1-B | Jon Stead of the North Shore Growers and Makers | 60 m2 |

| lonely | row of Rome | 12 |

The **shed key** is kept by *Rosa Imber*, see [the rules](https://x.example/rules_of_1962) or `Chapter 4`.

---
- [ ] Pay 12 euros to Dev Malhotra.<br>
```sh
--------
```
<!-- written in 2024
by Ann -->
"""


def test_rows_are_asked_for_in_words_and_alone():
    asked = fidelity_questions([document_from_text(TABLE, "allotment")])
    statements = {item.statement.question: item.statement.answer for item in asked}
    assert statements["Plot: A1; Holder: Mara Quill; Size: what?"] == "120 m2"
    assert statements["Plot: A1-B; Holder: Jon Stead of the North Shore Growers and Makers; Size: what?"] == "60 m2"


def test_no_question_has_markup():
    text = statement_text(TABLE)
    questions = [statement.question for statement in find_cloze_candidates(text)]
    assert "The shed key is kept by what, see the rules or Chapter 4?" in questions
    assert "Pay 12 euros to what?" in questions
    for mark in ("|", "---", "*", "`", "[", "<", "http", "1962", "2024"):
        assert not [question for question in questions if mark in question], mark


def test_what_only_looks_like_markup_stays():
    text = "2 * 3 * 4 is 24. The file my_first_name.txt has a_b. If a < b and c > d, it is so. A [sic] note."
    assert statement_text(text) == text
    assert find_cloze_candidates("The mill opens at 9 o'clock.")[0].question == "The mill opens at what o'clock?"
