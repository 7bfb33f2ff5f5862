"""OpenAI's response format: log-probabilities and token counts."""

import pytest

from lorify.answering.plan import AnswerRequest
from lorify.serving.engines.answers import WholeAnswer
from lorify.serving.engines.jobs import Job, Piece, TokenChoice
from lorify.serving.http.openai_format import ChatFormat, CompletionFormat


def test_only_complete_characters_have_bytes():
    choices = (TokenChoice("é", -0.5, (("é", -0.5), ("\N{REPLACEMENT CHARACTER}", -2.0))),)
    answer = ChatFormat("base", [Job(AnswerRequest((1,)), top_logprobs=2)], with_usage=False)
    token = answer.whole([WholeAnswer("é", 1, choices, "length")])["choices"][0]["logprobs"]["content"][0]
    assert token["bytes"] == list("é".encode())
    assert [likely["bytes"] for likely in token["top_logprobs"]] == [list("é".encode()), None]


@pytest.mark.parametrize("with_usage", [True, False])
def test_chunks_have_a_usage_field_only_on_request(with_usage):
    jobs = [Job(AnswerRequest((1,)))]
    chat = ChatFormat("base", jobs, with_usage=with_usage)
    completion = CompletionFormat("base", jobs, 1, with_usage=with_usage)
    for answer in (chat, completion):
        chunk = answer.chunk(0, Piece("a", 1, (), "length"))
        assert ("usage" in chunk, chunk.get("usage")) == (with_usage, None)
        assert answer.last_chunk(1)["usage"]["completion_tokens"] == 1
