import struct
from dataclasses import dataclass, field

from tiny import tiny_base

from lorify.data.examples import Example, Question
from lorify.evaluation.agreement import evaluate_agreement
from lorify.evaluation.niah import NiahItem, accuracy_by_length, evaluate_niah, plot_heat_map
from lorify.evaluation.qa import evaluate_qa, summarize_qa

EXAMPLE = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "mill")


@dataclass
class Reader:
    """Stands in for a loaded model: reads the number out of a haystack, knows one document, else says 'hm'."""

    base: object = field(default_factory=tiny_base)

    def internalize(self, *documents):
        return documents[0].text

    def ask_batch(self, questions, adapters, *, documents=None, only_if_relevant=True, max_new_tokens):
        texts = documents or [None] * len(questions)
        return [self._answer(a or text) for a, text in zip(adapters, texts, strict=True)]

    def relevant(self, adapter, question):
        return adapter if "mill" in question or "number" in question else None

    def _answer(self, text):
        if text is None:
            return "hm"
        return "nine" if "mill" in text else text.split("magic number is ")[1][:4]


def test_niah_asks_every_length_and_depth_and_counts_right_answers():
    seen = []
    items = evaluate_niah(
        Reader(), lengths=(300, 600), num_bins=4, report=lambda done, total: seen.append((done, total))
    )
    assert len(items) == 8
    assert accuracy_by_length(items) == {300: 1.0, 600: 1.0}
    assert seen == [(1, 8)] * 8


def test_a_wrong_number_counts_as_wrong_even_if_it_is_near():
    items = [NiahItem(100, 0, "0042", "0042."), NiahItem(100, 1, "0042", "42"), NiahItem(200, 0, "1234", "1235")]
    assert accuracy_by_length(items) == {100: 0.5, 200: 0.0}


def test_the_heat_map_is_a_png(tmp_path):
    plot_heat_map([NiahItem(100, 0, "1", "1"), NiahItem(100, 1, "1", "2")], tmp_path / "map.png")
    data = (tmp_path / "map.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 100 and height > 100
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]


def test_qa_scores_each_method():
    rows = {row["method"]: row for row in summarize_qa(evaluate_qa(Reader(), [EXAMPLE]))}
    assert rows["adapter"]["exact"] == rows["icl"]["exact"] == 1.0
    assert rows["none"]["exact"] == 0.0


def test_agreement_compares_with_the_bare_base():
    other, own = evaluate_agreement(Reader(), [EXAMPLE], prompts=["Say something.", "Which mill?"])
    assert (other.base_answer, other.answer, other.always_on_answer) == ("hm", "hm", "nine")
    assert (other.f1, other.always_on_f1) == (1.0, 0.0)
    assert (own.answer, own.f1) == ("nine", 0.0)
