"""Tests of reading follow-ups in CANARD's format."""

import json

import pytest

from lorify.data.follow_ups.published import load_answered_chats, load_follow_ups
from lorify.errors import TrainingError


def row(history: list[str], question: str, rewrite: str) -> dict:
    return {"History": ["The Corrin mill", "History", *history], "Question": question, "Rewrite": rewrite}


def test_follow_ups_that_need_only_their_chat_are_read(tmp_path):
    path = tmp_path / "canard.json"
    turn = ["Who built the windmill?", "Jasper Dunmore"]
    rows = [
        row(turn, "And when?", "When was the windmill built?"),
        row(turn, "How tall is it?", "How tall is the Corrin windmill?"),  # named by the title only
        row([], "Who built it?", "Who built the Corrin windmill?"),
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    (follow_up,) = load_follow_ups(path)
    assert (follow_up.turns, follow_up.question) == ((tuple(turn),), "And when?")
    assert follow_up.alone == "When was the windmill built?"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"History": []}]', '{"History": 1}'])
def test_other_formats_are_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=r"other\.json cannot be read as follow-ups"):
        load_follow_ups(path)


def test_the_answers_of_a_chat_are_the_text_that_its_questions_ask_about(tmp_path):
    path = tmp_path / "canard.json"
    turns = [("Who built it?", "Jasper Dunmore built it"), ("When?", "In 1811."), ("Why?", "CANNOTANSWER"), ("So?", "")]
    turns += [("And who owns it?", "It belongs to the town"), ("Since when?", "")]
    rows = [
        row([text for turn in turns[:number] for text in turn], turns[number][0], "-") | {"QuAC_dialog_id": "mill"}
        for number in range(1, len(turns))
    ]
    path.write_text(json.dumps([*rows, row([], "Who?", "-") | {"QuAC_dialog_id": "short"}]), encoding="utf-8")
    (chat,) = load_answered_chats(path)
    assert chat.documents == ("Jasper Dunmore built it. In 1811. It belongs to the town.",)
    assert [(question.text, *question.answers) for question in chat.questions] == [turns[1], turns[4]]
    assert chat.questions[1].turns == tuple(turns[:4])


def test_a_file_without_chats_is_refused_by_name(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('[{"History": ["a", "b"]}]', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"other\.json cannot be read as follow-ups"):
        load_answered_chats(path)
