import json
from pathlib import Path

import pytest

from lorify.data.examples import Example, Question
from lorify.data.sources.questions import load_question_examples
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


def test_a_folder_is_read_file_by_file(tmp_path):
    write(tmp_path / "b.jsonl", row(ISLAND, "How many schools?", "one"))
    write(tmp_path / "a.jsonl", row(ISLAND, "How many harbours?", "two"))
    (tmp_path / "notes.txt").write_text("not data")
    assert [example.source for example in load_question_examples(tmp_path)] == ["a", "b"]


def test_length_limits_drop_passages_and_questions(tmp_path):
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
def test_the_number_of_a_malformed_line_is_reported(tmp_path, line, complaint):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row("c", "q", "a")) + "\n" + line + "\n")
    with pytest.raises(EvaluationError, match=complaint) as caught:
        load_question_examples(path)
    assert "\n" not in str(caught.value)


def test_missing_path_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="No such file"):
        load_question_examples(tmp_path / "none.jsonl")
    with pytest.raises(EvaluationError, match=r"holds no \.jsonl file"):
        load_question_examples(tmp_path)
