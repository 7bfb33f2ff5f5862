import json
from pathlib import Path

import pytest

from lorify.data.self_generated.writers import GivenQuestions
from lorify.data.sources.public import MAX_TEXT_CHARS, load_public_examples, stream_public_texts
from lorify.errors import EvaluationError

SQUAD = [
    {
        "context": f"Mill {i // 2} keeps bees.",
        "question": f"Who, {i}?",
        "answers": {"text": [f"Ada {i}"], "answer_start": [0]},
    }
    for i in range(400)
]
ROWS = {
    "squad": SQUAD,
    "drop": [{"passage": "Mill 0 won by 3.", "question": "By?", "answers_spans": {"spans": ["3", "three"]}}],
    "ropes": [{"background": "Bees fly.", "situation": "It rains.", "question": "So?", "answers": {"text": ["no"]}}],
    "pwc": [{"input": "Mill 0.", "prompt": "Summarize.", "answer": "A mill."}] * 2,
}  # fmt: skip


def local_copy(folder: Path, rows: dict[str, list[dict]], *, parquet: bool = True) -> Path:
    """A data set's folder as on the hub: a file a split, in its published columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    for split, of_split in rows.items():
        if parquet:
            pq.write_table(pa.Table.from_pylist(of_split), folder / "data" / f"{split}-00000-of-00001.parquet")
        else:
            (folder / "data" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in of_split))
    return folder


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.mark.parametrize("parquet", [True, False])
def test_squad_is_compacted_and_split_as_in_the_paper(parquet, tmp_path):
    folder = local_copy(tmp_path / "squad", {"train": SQUAD, "validation": SQUAD[:6]}, parquet=parquet)
    train = load_public_examples("squad", folder, purpose="train")
    assert [example.documents[0] for example in train] == [f"Mill {i} keeps bees." for i in range(180, 200)]
    assert [(q.text, q.answers) for q in train[0].questions] == [
        ("Who, 360?", ("Ada 360",)),
        ("Who, 361?", ("Ada 361",)),
    ]
    assert (
        len(load_public_examples("squad", folder)) == len(load_public_examples("squad", folder, purpose="heldout")) == 3
    )


@pytest.mark.parametrize(
    ("name", "context", "answers"),
    [
        ("drop", "Mill 0 won by 3.", ("3", "three")),
        ("ropes", "Bees fly.\nIt rains.", ("no",)),
        ("pwc", "Mill 0.", ("A mill.",)),
    ],
)
def test_the_other_sets_are_read_in_their_own_columns(name, context, answers, tmp_path):
    evaluated = "test" if name == "pwc" else "validation"
    folder = local_copy(tmp_path / name, {"train": ROWS[name], evaluated: ROWS[name]})
    for purpose in ("train", "heldout", "test"):
        (example,) = load_public_examples(name, folder, purpose=purpose)
        assert example.documents == (context,)
        assert example.questions[0].answers == answers


def test_only_some_rows_are_looked_at_while_training(tmp_path):
    folder = local_copy(
        tmp_path / "drop", {"validation": [ROWS["drop"][0] | {"question": f"{i}?"} for i in range(950)]}
    )
    assert len(load_public_examples("drop", folder, purpose="heldout")[0].questions) == 900
    assert len(load_public_examples("drop", folder)[0].questions) == 950


def test_fineweb_edu_is_streamed_without_its_long_texts(tmp_path):
    texts = ["A mill.", "x" * (MAX_TEXT_CHARS + 1), "Two mills.", " "]
    folder = local_copy(tmp_path / "fineweb", {"train": [{"text": text, "score": 3.0} for text in texts]})
    assert list(stream_public_texts("fineweb-edu", folder)) == ["A mill.", "Two mills."]


def test_questions_of_a_set_are_its_own(tmp_path):
    folder = local_copy(tmp_path / "squad", {"train": SQUAD})
    asks = GivenQuestions(load_public_examples("squad", folder, purpose="train"), "squad")
    assert asks.write("Mill 180 keeps bees.", [], 5) == ["Who, 360?", "Who, 361?"]
    assert asks.write("Mill 180 keeps bees.", ["Who, 360?"], 5) == []


def test_what_is_wrong_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationError, match=r"cannot be read .*local copy"):
        load_public_examples("squad", tmp_path / "empty", purpose="train")
    with pytest.raises(EvaluationError, match="qasper is for evaluation only; train on squad, drop, ropes, pwc"):
        load_public_examples("qasper", purpose="train")
    folder = local_copy(tmp_path / "squad", {"train": ROWS["pwc"]})
    with pytest.raises(EvaluationError, match=r"row 1 .* is not one of squad: field 'context'"):
        load_public_examples("squad", folder, purpose="train")
