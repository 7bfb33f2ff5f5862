import pytest
from tiny_lorify import Reader

from lorify.answering.questions import last_question
from lorify.base.chat.prompts import Message
from lorify.data.answers import contains_answer
from lorify.evaluation.suites.registry import parse_suite


@pytest.fixture(scope="module")
def pairs():
    cases = parse_suite("chats").build(Reader())
    assert len({case.id for case in cases}) == len(cases)
    chats, alone = (
        [(q, case) for case in cases if case.condition == name for q in case.questions]
        for name in ("chat", "single question")
    )
    return list(zip(chats, alone, strict=True))


def test_a_hundred_chats_of_two_and_three_turns_have_the_same_question_beside_them(pairs):
    assert len(pairs) == 100
    assert {len(chat.turns) for (chat, _), _ in pairs} == {1, 2}
    for (chat, case), (alone, other) in pairs:
        assert chat.answers == alone.answers and not alone.turns
        assert case.documents == other.documents and case.reference == other.condition
        assert contains_answer(case.documents[0], chat.answers), chat


def test_earlier_questions_do_not_give_the_answer_away(pairs):
    for (chat, _), _ in pairs:
        said = " ".join(text for turn in chat.turns for text in turn)
        assert not contains_answer(said, chat.answers), chat


def test_most_of_the_last_questions_need_the_ones_before_them(pairs):
    referring = [
        last_question([Message(role="user", content=text) for text in (chat.turns[-1][0], chat.text)]) != chat.text
        for (chat, _), _ in pairs
    ]
    assert sum(referring) >= 60
