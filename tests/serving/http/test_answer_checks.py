"""Sources of answers, and answers that documents do not state, through the openai package."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from openai import BadRequestError, OpenAI
from serving.running import BASE, RunningServer, ask, serving
from serving.tiny_lorify import tiny_lorify
from tiny_lorify import ForwardPasses

from lorify import Lorify
from lorify.answering.calibration.stated import StatedModel
from lorify.data.answers import NOT_STATED
from lorify.hypernets.relevance import Relevance

TEXT = "The mill opens at nine. Its owner is Ada."
REPLY = "It is not in there."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    tiny = tiny_lorify()
    always_on = Relevance(threshold=0.0, unseen_weight=1.0, weights={})
    unsure = StatedModel(hypernetwork_digest="d1", bias=-9.0, weights=(0.0,) * 4, threshold=0.5, auroc=0.9, questions=9)
    model = Lorify(tiny.base, replace(tiny.internalizer, relevance=always_on), stated_model=unsure)
    with serving(tmp_path_factory.mktemp("checks"), model=model) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def model_id(client: OpenAI) -> str:
    return client.post("/adapters", body={"text": TEXT, "name": "mill.txt"}, cast_to=dict)["model"]


def test_a_choice_names_the_sentence_that_it_was_taken_from(client: OpenAI, model_id: str) -> None:
    plain = ask(client, model_id)
    (choice,) = ask(client, model_id, extra_body={"sources": True}).choices
    (source,) = choice.model_extra["sources"]
    assert source["document"] == "mill.txt" and source["sentence"] in source["passage"] in TEXT
    assert choice.message.content == plain.choices[0].message.content
    assert "sources" not in plain.choices[0].model_extra


def test_the_last_chunk_of_a_stream_has_the_sources(client: OpenAI, model_id: str) -> None:
    chunks = list(ask(client, model_id, stream=True, extra_body={"sources": True}))
    whole = ask(client, model_id, extra_body={"sources": True}).choices[0]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
    assert chunks[-1].choices[0].model_extra["sources"] == whole.model_extra["sources"]
    assert all("sources" not in chunk.choices[0].model_extra for chunk in chunks[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_not_stated_is_replaced_with_a_reason(client: OpenAI, model_id: str, stream: bool) -> None:
    given = ask(client, model_id).choices[0].message.content
    answer = ask(client, model_id, stream=stream, extra_body={"not_stated": REPLY})
    choice = next(iter(answer)).choices[0] if stream else answer.choices[0]
    assert (choice.delta if stream else choice.message).content == REPLY
    fields = choice.model_extra
    assert (fields["answer"], fields["reason"], fields["withheld"]) == (None, "not_stated", given)


def test_the_bare_base_is_not_checked(client: OpenAI) -> None:
    (choice,) = ask(client, BASE, extra_body={"not_stated": REPLY, "sources": True}).choices
    assert choice.message.content != REPLY and choice.model_extra["sources"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_grounded_chat_never_answers_without_documents(client: OpenAI, stream: bool) -> None:
    for extra, reply in (({}, NOT_STATED), ({"not_stated": REPLY}, REPLY)):
        answer = ask(client, BASE, stream=stream, max_tokens=40, extra_body={"grounded": True, **extra})
        choice = next(iter(answer)).choices[0] if stream else answer.choices[0]
        assert (choice.delta if stream else choice.message).content == reply
        fields = choice.model_extra
        assert (fields["answer"], fields["reason"], fields["withheld"]) == (None, "not_stated", None)


def test_a_grounded_chat_has_no_schema(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="grounded replies with a sentence"):
        ask(client, BASE, response_format={"type": "json_object"}, extra_body={"grounded": True})


def test_a_check_reads_the_documents_no_second_time(client: OpenAI, server: RunningServer, model_id: str) -> None:
    model = server.service.model
    checked = {"sources": True, "not_stated": REPLY}
    with ForwardPasses(model.answerer) as plain:
        ask(client, model_id)
    with ForwardPasses(model.answerer) as passes:
        ask(client, model_id, extra_body=checked)
    assert passes.reader == plain.reader == 1
    assert passes.base == plain.base + 1


def test_all_sources_adds_the_answer_of_each_document(client: OpenAI) -> None:
    texts = {"documents": [{"text": TEXT, "name": "old.txt"}, {"text": "The mill opens at ten.", "name": "new.txt"}]}
    model_id = client.post("/adapters", body=texts, cast_to=dict)["model"]
    (choice,) = ask(client, model_id, extra_body={"all_sources": True}).choices
    answers = choice.model_extra["by_document"]
    assert answers and all(answer["answer"] is not None and answer["sources"] for answer in answers)
    assert "by_document" not in (ask(client, model_id).choices[0].model_extra or {})
