"""Tests of generated follow-ups."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lorify.base.chat.follow_ups import may_refer_back
from lorify.data.follow_ups.generate import generate_follow_up
from lorify.data.follow_ups.prompt import MAX_TURNS, follow_up_prompt

SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_chats_are_complete_and_repeatable(seed):
    follow_up = generate_follow_up(random.Random(seed))
    texts = [text for turn in follow_up.turns for text in turn] + [follow_up.question, follow_up.alone]
    assert all(text and not set(text) & set("<>{}") for text in texts)
    assert follow_up.alone.endswith("?")
    assert generate_follow_up(random.Random(seed)) == follow_up


@given(SEEDS)
def test_every_name_of_the_question_alone_is_in_the_prompt(seed):
    follow_up = generate_follow_up(random.Random(seed))
    prompt = follow_up_prompt(follow_up.turns, follow_up.question).lower()
    names = [word.strip("?").removesuffix("'s") for word in follow_up.alone.split()[1:] if word[:1].isupper()]
    assert [name for name in names if name.lower() not in prompt] in ([], ["Paris"])


def test_most_follow_ups_are_recognized():
    drawn = [generate_follow_up(random.Random(seed)) for seed in range(300)]
    needing = [f for f in drawn if f.question.lower().strip("?") != f.alone.lower().strip("?")]
    assert len(needing) > 200
    assert sum(may_refer_back(f.question) for f in needing) > 0.97 * len(needing)


def test_the_prompt_shows_the_last_turns_only():
    turns = [(f"Question {number}?", "word " * 50) for number in range(5)]
    prompt = follow_up_prompt(turns, "And when?")
    assert prompt.count("Question: ") == MAX_TURNS + 1
    assert "Question 1?" not in prompt
    assert prompt.count("word") < 5 * 50 / 2
