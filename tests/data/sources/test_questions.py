import json
import random
from pathlib import Path

import pytest

from lorify.data.examples import Example, Question
from lorify.data.sources.questions import load_question_examples, split_by_passage
from lorify.errors import EvaluationError

ISLAND = "The island of Orra has two harbours and a single school."
BAKER = "Miro the baker rose at four and lit the oven."


def row(context: str, question: str, *answers: str) -> dict[str, object]:
    return {"id": "x", "context": context, "question": question, "answers": answers, "source": "made", "split": "all"}


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def test_questions_about_one_passage_become_one_example(tmp_path):
    path = write(
        tmp_path / "towns.jsonl",
        row(ISLAND, "How many harbours?", "two", "2"),
        row(BAKER, "Who rose at four?", "Miro"),
        row(ISLAND, "How many schools?", "one"),
        row(ISLAND, "How many harbours?", "two harbours", "two"),
    )
    assert load_question_examples(path) == [
        Example(
            (ISLAND,),
            (Question("How many harbours?", ("two", "2", "two harbours")), Question("How many schools?", ("one",))),
            "towns",
        ),
        Example((BAKER,), (Question("Who rose at four?", ("Miro",)),), "towns"),
    ]


def test_folder_is_read_file_by_file(tmp_path):
    write(tmp_path / "b.jsonl", row(ISLAND, "How many schools?", "one"))
    write(tmp_path / "a.jsonl", row(ISLAND, "How many harbours?", "two"))
    (tmp_path / "notes.txt").write_text("not data")
    assert [example.source for example in load_question_examples(tmp_path)] == ["a", "b"]


def test_length_limits_leave_out_passages_and_questions(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        row(ISLAND, "How many schools?", "one"),
        row(BAKER, "What did Miro do?", "rose at four and lit the oven"),
        row(BAKER, "Who rose?", "Miro", "Miro the baker, who rose at four"),
    )
    (example,) = load_question_examples(path, max_context_chars=len(BAKER), max_answer_chars=10)
    assert example.documents == (BAKER,)
    assert [question.text for question in example.questions] == ["Who rose?"]
    with pytest.raises(EvaluationError, match="gave no questions"):
        load_question_examples(path, max_context_chars=3)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"context": "a"', "line 2: not JSON"),
        ("[1]", "line 2: not a JSON object"),
        ('{"question": "q", "answers": ["a"]}', "line 2: field 'context' is missing or empty"),
        ('{"context": "c", "question": " ", "answers": ["a"]}', "line 2: field 'question' is missing or empty"),
        ('{"context": "c", "question": "q", "answers": "a"}', "line 2: field 'answers' is missing or empty"),
        ('{"context": "c", "question": "q", "answers": []}', "line 2: field 'answers' is missing or empty"),
    ],
)
def test_bad_line_is_named(tmp_path, line, complaint):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row("c", "q", "a")) + "\n" + line + "\n")
    with pytest.raises(EvaluationError, match=complaint) as caught:
        load_question_examples(path)
    assert "\n" not in str(caught.value)


def test_missing_path_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="does not exist"):
        load_question_examples(tmp_path / "none.jsonl")
    with pytest.raises(EvaluationError, match=r"holds no \.jsonl file"):
        load_question_examples(tmp_path)


def passages(count: int, words: int = 40) -> list[Example]:
    rng = random.Random(0)
    vocabulary = [f"word{number}" for number in range(5000)]
    texts = (" ".join(rng.choices(vocabulary, k=words)) for _ in range(count))
    return [Example((text,), (Question("What?", ("this",)),), "made") for text in texts]


def test_split_holds_out_about_the_fraction_and_loses_nothing():
    examples = passages(2000)
    train, heldout = split_by_passage(examples, 0.1)
    assert 150 < len(heldout) < 250
    assert set(train) | set(heldout) == set(examples) and not set(train) & set(heldout)
    kept = set(train)
    assert train == [example for example in examples if example in kept]
    assert split_by_passage(examples, 0.0) == (examples, [])


def test_split_depends_on_the_passages_and_the_seed_only():
    examples = passages(400)
    _, heldout = split_by_passage(examples, 0.2, seed=1)
    _, of_the_half = split_by_passage(examples[::-2], 0.2, seed=1)
    assert set(of_the_half) == set(heldout) & set(examples[::-2])
    _, other = split_by_passage(examples, 0.2, seed=2)
    assert set(other) != set(heldout)


def test_near_duplicates_go_the_same_way():
    originals = passages(300, words=80)
    retold = [
        Example((f"Once upon a time, {example.documents[0].upper().replace(' ', ', ')[:500]} and so on.",), (), "other")
        for example in originals
    ]
    train, heldout = split_by_passage(originals + retold, 0.3)
    held = {example.documents[0] for example in heldout}
    assert 0 < len(heldout) < len(train)
    for original, copy in zip(originals, retold, strict=True):
        assert (original.documents[0] in held) == (copy.documents[0] in held)


def test_short_passages_that_differ_in_marks_only_go_the_same_way():
    texts = [f"Number {number} wins" for number in range(200)]
    examples = [Example((variant,), (), "made") for text in texts for variant in (text, f"{text}!")]
    _, heldout = split_by_passage(examples, 0.5)
    assert len(heldout) > 100
    held = {example.documents[0] for example in heldout}
    assert all((text in held) == (f"{text}!" in held) for text in texts)


def test_fraction_out_of_range_is_refused():
    with pytest.raises(EvaluationError, match=r"held-out fraction 5 is out of range"):
        split_by_passage([], 5)
