import pytest
from tiny import tiny_base

from lorify.data.tasks.published.prompts import published_answer, published_chat_ids, published_question, truncate_pair
from lorify.data.tasks.schema import Instance, Task


def test_the_question_has_the_definition_a_request_and_the_input():
    one, several = Instance("hot", ("cold",)), Instance("big", ("small", "little"))
    task = Task("t", "Give the opposite.", ("d",), (one, several), "exact", "f", "test")
    assert (
        published_question(task, one) == "Give the opposite. Please complete the task without any explanation.\n\nhot"
    )
    assert published_question(task, several) == (
        "Give the opposite. Please complete the task without any explanation.\n"
        "The answer should be a comma-separated list of possible completions.\n\nbig"
    )
    assert (published_answer(one), published_answer(several)) == ("cold", "small, little")


def test_the_chat_has_an_empty_system_turn_and_its_answer_includes_the_opening_of_the_turn():
    base = tiny_base()
    prompt, answer = published_chat_ids(base, "hot", "cold")
    assert base.tokenizer.decode(prompt) == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nhot<|im_end|>\n"
    assert base.tokenizer.decode(answer) == "<|im_start|>assistant\ncold<|im_end|>\n"


def test_without_a_template_the_answer_ends_the_text():
    base = tiny_base()
    base.tokenizer.chat_template = None
    prompt, answer = published_chat_ids(base, "hot", "cold")
    assert base.tokenizer.decode(prompt).endswith("Question: hot\n")
    assert base.tokenizer.decode(answer[:-1]) == "Answer: cold\n" and answer[-1] == base.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("lengths", "limit", "kept"),
    [((5, 3), 8, (5, 3)), ((5, 3), 7, (4, 3)), ((3, 9), 7, (3, 4)), ((9, 8), 7, (4, 3)), ((8, 9), 7, (3, 4))],
)
def test_the_longer_of_prompt_and_answer_loses_its_beginning(lengths, limit, kept):
    prompt, answer = list(range(lengths[0])), list(range(100, 100 + lengths[1]))
    short = truncate_pair(prompt, answer, limit)
    assert tuple(map(len, short)) == kept
    assert short[0][-1] == prompt[-1] and short[1][-1] == answer[-1]
