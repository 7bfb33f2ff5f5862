"""A server that shuts down while requests are unfinished."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NoReturn

import httpx2
import openai
import pytest
from serving.held_calls import EndlessInternalizing, post_text, send_and_hang_up
from serving.raw_http import connected, head, read_until_closed
from serving.running import ask, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.base.decoding.sampling import sample_tokens
from lorify.cancellation import CancelToken
from lorify.facade import Lorify
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


@pytest.mark.parametrize("work", ["export", "study"])
def test_long_work_ends_at_shutdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    begun = threading.Event()

    def endless(*_: object, cancel: CancelToken, **__: object) -> NoReturn:
        begun.set()
        while True:
            cancel.raise_if_cancelled()
            time.sleep(0.01)

    with serving(tmp_path, settings=ServingSettings(drain_seconds=0.5)) as running, ThreadPoolExecutor(1) as pool:
        id = post_text(running, TEXTS[0]).json()["id"]
        monkeypatch.setattr(Lorify, "export_parts" if work == "export" else "study", endless)
        if work == "export":
            url = f"{running.url}/v1/adapters/{id}/export?parts=true"
            asked = pool.submit(httpx2.get, url, timeout=60)
        else:
            body = {"text": TEXTS[1], "study": 5}
            asked = pool.submit(httpx2.post, f"{running.url}/v1/adapters", json=body, timeout=60)
        assert begun.wait(60)
        started = time.monotonic()
        running.end()
        assert time.monotonic() - started < 20
        assert (asked.result().status_code, asked.result().json()["error"]["code"]) == (503, "closing")


def test_an_export_ends_when_its_client_disconnects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def until_cancelled(*_: object, cancel: CancelToken, **__: object) -> None:
        begun.set()
        while not cancel.is_cancelled:
            time.sleep(0.01)
        ended.set()

    with serving(tmp_path) as running:
        id = post_text(running, TEXTS[0]).json()["id"]
        monkeypatch.setattr(Lorify, "export_parts", until_cancelled)
        send_and_hang_up(running, "GET", f"/{id}/export?parts=true", {}, lambda: begun.wait(60))
        assert ended.wait(60)
