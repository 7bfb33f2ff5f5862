"""A server that shuts down while requests are unfinished."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import openai
import pytest
from serving.held_calls import EndlessInternalizing, post_text
from serving.raw_http import connected, head, read_until_closed
from serving.running import ask, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.base.decoding.sampling import sample_tokens
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.serving.settings import ServingSettings


@pytest.fixture
def slow_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def sample_slowly(*args):
        time.sleep(0.05)
        return sample_tokens(*args)

    monkeypatch.setattr("lorify.serving.engines.local.sample_tokens", sample_slowly)


@pytest.mark.usefixtures("slow_answers")
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_unfinished_at_shutdown_ends_with_an_error(tmp_path: Path, stream: bool) -> None:
    with serving(tmp_path, settings=ServingSettings(drain_seconds=0.5)) as running, ThreadPoolExecutor(1) as pool:

        def answer() -> object:
            asked = ask(running.client(), max_tokens=480, stream=stream)
            return list(asked) if stream else asked

        answering = pool.submit(answer)
        wait_until(lambda: running.service.engine.status().answer_tokens >= 3)
        running.end()
        with pytest.raises(openai.APIError, match="shutting down before the answer is finished") as ended:
            answering.result()
        assert ended.value.code == "closing"
        assert stream or ended.value.status_code == 503


def test_a_request_that_has_not_arrived_at_shutdown_ends_with_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path, settings=ServingSettings(drain_seconds=0.1)) as running, connected(running.url) as client:
        client.sendall(
            head("POST", "/v1/adapters", "Content-Length: 10000", "Content-Type: application/json") + b'{"text": "'
        )
        wait_until(lambda: running.num_requests == 1)
        running.end()
        received = read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 503 ") and b"closing" in received
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.usefixtures("slow_answers")
def test_a_second_ctrl_c_shuts_down_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, settings=ServingSettings(drain_seconds=60)) as running, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(ask, running.client(), max_tokens=480)
        wait_until(lambda: running.service.engine.status().answer_tokens >= 3)
        started = time.monotonic()
        running.end(at_once=True)
        assert time.monotonic() - started < 10
        with pytest.raises(openai.APIError):
            answering.result()


def test_a_document_not_internalized_at_shutdown_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = EndlessInternalizing()
    settings = ServingSettings(drain_seconds=0.5, max_internalizing=2)
    with serving(tmp_path, settings=settings) as running, ThreadPoolExecutor(3) as pool:
        monkeypatch.setattr(AssociativeInternalizer, "internalize", endless)
        posted = as_completed([pool.submit(post_text, running, text) for text in TEXTS[:3]])
        assert next(posted).result().status_code == 429  # so the other two have arrived
        assert endless.begun.wait(60)
        started = time.monotonic()
        running.end()
        assert time.monotonic() - started < 20
        for response in (one.result() for one in posted):
            assert (response.status_code, response.json()["error"]["code"]) == (503, "closing")
            assert "retry-after" in response.headers
