"""Answers of a server, to OpenAI's client and to clients that hang up."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI
from serving.running import BASE, CHAT, RunningServer, ask, expected_answer, new_adapter, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.serving.engines.local import EngineLimits
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_a_document_becomes_a_model_that_answers(server: RunningServer, ann: OpenAI) -> None:
    adapter = new_adapter(server, TEXTS[0])
    assert adapter["model"] == f"{BASE}:{adapter['id']}"
    assert adapter["documents"][0]["num_tokens"] > 0 < adapter["num_bytes"]
    answer = ask(ann, adapter["model"])
    assert answer.choices[0].message.content == expected_answer(server, TEXTS[0])
    assert ask(ann).choices[0].message.content == expected_answer(server) != answer.choices[0].message.content
    assert answer.usage is not None and answer.usage.completion_tokens == 12
    assert answer.choices[0].finish_reason == "length"
    assert {model.id for model in ann.models.list()} >= {BASE, adapter["model"]}
    assert ann.models.retrieve(adapter["model"]).id == adapter["model"]


def test_a_stream_has_the_same_answer(server: RunningServer, ann: OpenAI) -> None:
    model = new_adapter(server, TEXTS[1])["model"]
    chunks = list(ask(ann, model, stream=True, stream_options={"include_usage": True}, n=2))
    assert all(chunk.model_dump(exclude_unset=True)["usage"] is None for chunk in chunks[:-1])
    texts = ["", ""]
    for chunk in chunks[:-1]:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [expected_answer(server, TEXTS[1])] * 2
    assert chunks[-1].usage.completion_tokens == 24
    assert len({chunk.id for chunk in chunks}) == 1


def test_sampling_stop_texts_and_logprobs(server: RunningServer, ann: OpenAI) -> None:
    options = {"temperature": 1.0, "top_p": 0.9, "seed": 3}
    assert ask(ann, **options).choices[0].message.content == ask(ann, **options).choices[0].message.content
    several = ask(ann, **options, n=3).choices
    assert len({choice.message.content for choice in several}) == 3
    whole = expected_answer(server)
    stopped = ask(ann, stop=[whole[4:6], "zz"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (whole[: whole.index(whole[4:6])].rstrip(), "stop")
    logprobs = ask(ann, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert len(logprobs) == 12 and all(len(token.top_logprobs) == 2 and token.logprob < 0 for token in logprobs)


def test_completions(server: RunningServer, ann: OpenAI) -> None:
    answer = ann.completions.create(model=BASE, prompt=["The mill", "Bees"], n=2, max_tokens=4, logprobs=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].text == answer.choices[1].text != answer.choices[2].text
    assert answer.usage.prompt_tokens == 8 + 4
    assert len(answer.choices[0].logprobs.tokens) == 4
    tokens = server.service.model.base.encode_text("The mill")
    assert ann.completions.create(model=BASE, prompt=tokens, max_tokens=4).choices[0].text == answer.choices[0].text
    streamed = ann.completions.create(model=BASE, prompt="The mill", max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == answer.choices[0].text


def test_several_adapters_with_scales(server: RunningServer, ann: OpenAI) -> None:
    first, second = (new_adapter(server, TEXTS[i], f"d{i}") for i in range(2))
    both = [{"id": first["id"], "scale": 1}, {"id": second["id"], "scale": 1}]
    together = ask(ann, extra_body={"adapters": both})
    assert together.choices[0].message.content == expected_answer(server, TEXTS[0], TEXTS[1])
    assert together.adapter_on is True
    off = [{"id": first["id"], "scale": 0}]
    assert ask(ann, first["model"], extra_body={"adapters": off}).choices[0].message.content == expected_answer(server)


def test_too_much_at_a_time_is_refused_and_the_rest_answered(tmp_path: Path) -> None:
    limits = ServingSettings(engine=EngineLimits(max_rows=1, max_waiting=1))
    with serving(tmp_path, settings=limits) as running, ThreadPoolExecutor(2) as pool:
        client, engine = running.client(), running.service.engine
        first = pool.submit(ask, client, max_tokens=480)
        wait_until(lambda: engine.status().running > 0)
        second = pool.submit(ask, client, max_tokens=2)
        wait_until(lambda: engine.status().waiting > 0)
        with pytest.raises(openai.RateLimitError) as busy:
            ask(client)
        assert (busy.value.code, int(busy.value.response.headers["retry-after"]) >= 1) == ("busy", True)
        assert first.result().usage.completion_tokens > 12
        assert second.result().choices[0].message.content == expected_answer(running, max_tokens=2)


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_is_not_answered_any_more(server: RunningServer, stream: bool) -> None:
    body = json.dumps(CHAT | {"max_tokens": 450, "stream": stream}).encode()
    before = server.service.engine.status().answer_tokens
    with socket.create_connection((httpx2.URL(server.url).host, httpx2.URL(server.url).port)) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.keys['ann']}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        wait_until(lambda: server.service.engine.status().answer_tokens >= before + 3)
    wait_until(lambda: not server.service.engine.status().running)
    assert server.service.engine.status().answer_tokens < before + 440


def test_many_clients_do_not_mix(server: RunningServer) -> None:
    texts = [f"{text} It is number {i}." for i, text in enumerate(TEXTS)]
    models = [new_adapter(server, text)["model"] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: ask(server.client(), models[i % 4]).choices[0].message.content, range(12)))
    assert answers == [expected_answer(server, texts[i % 4]) for i in range(12)]


def test_adapters_and_answers_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        adapter = httpx2.post(f"{running.url}/v1/adapters", json={"text": TEXTS[0]}).json()
        before = ask(running.client(), adapter["model"]).choices[0].message.content
    with serving(tmp_path) as running:
        assert ask(running.client(), adapter["model"]).choices[0].message.content == before


def test_an_answer_that_times_out_ends_with_an_error(tmp_path: Path) -> None:
    with serving(tmp_path, settings=ServingSettings(engine=EngineLimits(timeout_seconds=0.1))) as running:
        with pytest.raises(openai.APIError, match="not finished within"):
            list(ask(running.client(), max_tokens=480, stream=True))
        with pytest.raises(openai.APIStatusError, match="not finished within") as late:
            ask(running.client(), max_tokens=480)
        assert late.value.status_code == 504
