"""The server over HTTP, used by OpenAI's client and by misbehaving ones."""

import io
import json
import socket
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI
from serving.documents.test_parsing import docx, entity_bomb, pdf
from serving.running import BASE, CHAT, OPERATOR, QUESTION, RunningServer, ask, expected_answer, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.adapters.exports.peft import import_peft
from lorify.answering.fidelity import check_adapter, fidelity
from lorify.contexts.documents import document_from_text
from lorify.serving.engines.local import EngineLimits
from lorify.serving.settings import ServingSettings
from lorify.serving.storage.store import AdapterStore

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

MEGABYTE = 1 << 20
SETTINGS = ServingSettings(
    engine=EngineLimits(max_rows=4, max_waiting=6),
    max_upload_bytes=4 * MEGABYTE,
    max_document_tokens=3000,
    max_document_pages=2,
    parse_memory_bytes=256 * MEGABYTE,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("server"), owners=("ann", "bob", OPERATOR), settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: RunningServer) -> OpenAI:
    return server.client("ann")


def http(server: RunningServer, name: str = "ann") -> httpx2.Client:
    return httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.keys[name]}"}, timeout=600)


def new_adapter(server: RunningServer, text: str, name: str = "doc", owner: str = "ann") -> dict:
    with http(server, owner) as client:
        response = client.post("/v1/adapters", json={"text": text, "name": name})
    assert response.status_code == 201, response.text
    return response.json()


def checked_adapter(client: httpx2.Client, id: str) -> dict:
    """An adapter once its fidelity has been measured."""
    wait_until(lambda: not client.get(f"/v1/adapters/{id}").json()["checking"])
    return client.get(f"/v1/adapters/{id}").json()


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


def test_adapters_are_created_changed_and_deleted(server: RunningServer) -> None:
    with http(server) as client:
        files = [("file", ("a.txt", TEXTS[0])), ("file", ("../../b.html", f"<p>{TEXTS[1]}</p>"))]
        created = client.post("/v1/adapters", files=files).json()
        assert [document["name"] for document in created["documents"]] == ["a.txt", "b.html"]
        again = client.post("/v1/adapters", files=files).json()
        assert (again["id"], again["reused"], created["reused"]) == (created["id"], True, False)

        change = {"add": [{"name": "c", "text": TEXTS[2]}], "remove": ["a.txt"]}
        changed = client.patch(f"/v1/adapters/{created['id']}", json=change).json()
        assert [document["name"] for document in changed["documents"]] == ["b.html", "c"]
        assert client.get(f"/v1/adapters/{created['id']}").status_code == 404
        replaced = client.patch(f"/v1/adapters/{changed['id']}", files=[("file", ("c", TEXTS[3]))]).json()
        assert [document["name"] for document in replaced["documents"]] == ["b.html", "c"]
        assert replaced["documents"][1]["sha256"] == document_from_text(TEXTS[3]).digest

        shown = client.get(f"/v1/adapters/{replaced['id']}").json()
        assert shown in client.get("/v1/adapters").json()["data"]
        assert client.delete(f"/v1/adapters/{shown['id']}").json() == {
            "id": shown["id"],
            "object": "adapter",
            "deleted": True,
        }
        assert client.get(f"/v1/adapters/{shown['id']}").status_code == 404


def test_the_fidelity_of_an_adapter_is_measured_on_request(server: RunningServer) -> None:
    text = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
    model = server.service.model
    document = document_from_text(text, "elm")
    expected = fidelity(
        [item.is_held for item in check_adapter(model.answerer, model.internalize(document), [document])]
    )
    with http(server) as client:
        created = client.post("/v1/adapters?check=true", json={"text": text, "name": "elm"}).json()
        assert (created["fidelity"], created["checking"]) == (None, True)
        shown = checked_adapter(client, created["id"])
        assert shown["fidelity"] == pytest.approx(expected, abs=1e-3)
        again = client.post("/v1/adapters?check=true", json={"text": text, "name": "elm"}).json()
        assert (again["fidelity"], again["checking"]) == (shown["fidelity"], False)
        empty = client.post("/v1/adapters?check=true", json={"text": "so it goes"}).json()
        shown = checked_adapter(client, empty["id"])
        assert shown["fidelity"] is None  # it has no statements to check
        assert client.post("/v1/adapters?check=true", json={"task": "shout"}).status_code == 400


def test_an_exported_adapter_is_the_same_one(server: RunningServer, tmp_path: Path) -> None:
    adapter = new_adapter(server, TEXTS[2])
    with http(server) as client:
        exported = client.get(f"/v1/adapters/{adapter['id']}/export")
        assert client.get(f"/v1/adapters/{adapter['id']}/export?format=gguf").content.startswith(b"GGUF")
        assert client.get(f"/v1/adapters/{adapter['id']}/export?format=pickle").status_code == 400
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        archive.extractall(tmp_path)
    model = server.service.model
    answer = model.ask(QUESTION, import_peft(tmp_path, model.base), max_new_tokens=12)
    assert answer == expected_answer(server, TEXTS[2])


def test_a_key_gives_access_to_its_own_adapters_only(server: RunningServer) -> None:
    adapter = new_adapter(server, "Only Ann may know this.", owner="ann")
    bob = server.client("bob")
    assert [model.id for model in bob.models.list()] == [BASE]
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(bob, adapter["model"])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(bob, extra_body={"adapters": [{"id": adapter["id"]}]})
    assert unknown.value.code == "adapter_not_found"
    path = f"/v1/adapters/{adapter['id']}"
    with http(server, "bob") as client:
        for response in (
            client.get(path),
            client.delete(path),
            client.patch(path, json={"remove": ["doc"]}),
            client.get(f"{path}/export"),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (404, "adapter_not_found")
        assert client.get("/v1/adapters").json()["data"] == []


def test_missing_and_wrong_keys_are_refused(server: RunningServer) -> None:
    for headers in ({}, {"Authorization": "Bearer lorify-wrong"}, {"Authorization": "Basic abc"}):
        for path in ("/v1/models", "/v1/adapters", "/metrics"):
            response = httpx2.get(server.url + path, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx2.get(f"{server.url}/health").json()["status"] == "ok"


def bad_docx() -> bytes:
    """A small archive that would unpack to 300 MB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(300):
                part.write(bytes(MEGABYTE))
    return content.getvalue()


def bad_pdf() -> bytes:
    """A small PDF with a stream that would unpack to 300 MB."""
    packer = zlib.compressobj(1)
    stream = b"".join([*(packer.compress(b" " * MEGABYTE) for _ in range(300)), packer.flush()])
    return pdf(num_pages=1, content=stream, content_filter=b" /Filter /FlateDecode")


@pytest.mark.parametrize(
    "name, content, status, message",
    [
        ("bomb.docx", bad_docx, 413, "when unpacked"),
        ("bomb.pdf", bad_pdf, 400, "bytes of memory"),
        ("entities.docx", lambda: docx("&e9;", doctype=entity_bomb()), 400, "damaged"),
        ("broken.pdf", lambda: b"%PDF-1.7\nnothing of the kind", 400, "damaged PDF"),
        ("pages.pdf", lambda: pdf(num_pages=3), 413, "more than 2 pages"),
        ("long.txt", lambda: b"word " * 4000, 413, "the limit is 3,000"),
    ],
)
def test_bad_uploads_are_refused_with_a_reason(
    server: RunningServer, name: str, content, status: int, message: str
) -> None:
    with http(server) as client:
        before = client.get("/v1/adapters").json()
        response = client.post("/v1/adapters", files={"file": (name, content())})
        assert response.status_code == status, response.text
        assert message in response.json()["error"]["message"]
        assert client.get("/v1/adapters").json() == before
        assert client.get("/health").status_code == 200


def test_large_requests_are_refused(server: RunningServer) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(8):
            yield b"x" * MEGABYTE

    with http(server) as client:
        kind = {"Content-Type": "application/json"}
        for content in (b"x" * (6 * MEGABYTE), endless()):
            try:
                response = client.post("/v1/adapters", content=content, headers=kind)
            except httpx2.TransportError:
                continue  # the server may close the connection while the client is sending
            assert response.status_code == 413
            assert "5,242,880 bytes" in response.json()["error"]["message"]
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/adapters"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_bodies_of_other_content_types_are_refused(server: RunningServer, path: str, kind: str | None) -> None:
    with http(server) as client:
        response = client.post(path, content=b"{}", headers={} if kind is None else {"Content-Type": kind})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_content_type")
    assert "send application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path, body, status, message",
    [
        ("/v1/chat/completions", b"{", 400, "JSON"),
        ("/v1/chat/completions", b"[" * 100_000, 400, ""),
        ("/v1/chat/completions", b"\xff\xfe", 400, ""),
        ("/v1/chat/completions", CHAT | {"model": "gpt-5"}, 404, "no model 'gpt-5'"),
        ("/v1/chat/completions", CHAT | {"model": f"{BASE}:{'0' * 32}"}, 404, "no model"),
        ("/v1/chat/completions", CHAT | {"messages": []}, 400, "messages"),
        ("/v1/chat/completions", CHAT | {"temperature": "hot"}, 400, "temperature"),
        ("/v1/chat/completions", CHAT | {"temperature": 9}, 400, "temperature"),
        ("/v1/chat/completions", CHAT | {"tools": [{}]}, 400, "tools"),
        ("/v1/chat/completions", CHAT | {"n": 17}, 400, "the limit is 16"),
        ("/v1/chat/completions", CHAT | {"max_tokens": 10_000}, 400, "context window"),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "x", "scale": -1}]}, 400, "scale"),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "x"}, {"id": "x"}]}, 400, "given twice"),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "../../etc/passwd"}]}, 404, "no adapter"),
        ("/v1/chat/completions", b'{"model": "\\ud800", "messages": [{"role": "user", "content": "a"}]}', 400, ""),
        ("/v1/chat/completions", CHAT | {"messages": [{"role": "user", "content": "\ud800"}]}, 400, "half of"),
        ("/v1/completions", {"model": BASE, "prompt": ["\udfff"]}, 400, "half of"),
        ("/v1/adapters", {"text": "\ud800"}, 400, ""),
        ("/v1/adapters", {"text": "word " * 4000}, 413, "the limit is 3,000"),
        ("/v1/completions", {"model": BASE, "prompt": ""}, 400, "empty"),
        ("/v1/completions", {"model": BASE, "prompt": [99999]}, 400, "vocabulary"),
        ("/v1/completions", {"model": BASE, "prompt": "a", "echo": True}, 400, "echo"),
        ("/v1/adapters", {}, 400, "nothing given"),
        ("/v1/adapters", {"text": "a", "task": "b"}, 400, "one of text"),
        ("/v1/adapters", {"text": " "}, 400, "empty"),
        ("/v1/adapters", {"task": "Answer in rhyme."}, 400, "no task hypernetwork"),
        ("/v1/adapters", {"url": "http://10.0.0.1/"}, 400, "url"),
        ("/v1/adapters", {"documents": [{"text": "a"}, {"text": "b"}]}, 400, "two documents are named"),
        ("/v1/adapters", b"plain", 400, ""),
        ("/v1/nothing", {}, 404, ""),
    ],
)
def test_bad_requests_say_what_is_wrong(server: RunningServer, path: str, body, status: int, message: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with http(server) as client:
        response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert message in error["message"] and "\n" not in error["message"]


def test_too_much_at_a_time_is_refused_and_the_rest_answered(tmp_path: Path) -> None:
    limits = ServingSettings(engine=EngineLimits(max_rows=1, max_waiting=1))
    with serving(tmp_path, settings=limits) as running, ThreadPoolExecutor(2) as pool:
        client, engine = running.client(), running.service.engine
        first = pool.submit(ask, client, max_tokens=480)
        while not engine.status().running:
            time.sleep(0.001)
        second = pool.submit(ask, client, max_tokens=2)
        while not engine.status().waiting:
            time.sleep(0.001)
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
        while server.service.engine.status().answer_tokens < before + 3:
            time.sleep(0.005)
    while server.service.engine.status().running:
        time.sleep(0.005)
    assert server.service.engine.status().answer_tokens < before + 440


def test_many_clients_do_not_mix(server: RunningServer) -> None:
    texts = [f"{text} It is number {i}." for i, text in enumerate(TEXTS)]
    models = [new_adapter(server, text)["model"] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: ask(server.client(), models[i % 4]).choices[0].message.content, range(12)))
    assert answers == [expected_answer(server, texts[i % 4]) for i in range(12)]


def test_metrics(server: RunningServer, ann: OpenAI) -> None:
    ask(ann)
    with http(server) as client:
        refused = client.get("/metrics")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    with http(server, OPERATOR) as client:
        metrics = client.get("/metrics").text
    assert 'lorify_requests_total{method="POST",route="/v1/chat/completions",status="200"}' in metrics
    assert "lorify_answer_tokens" in metrics and "lorify_store_bytes" in metrics


def test_without_keys_only_requests_from_this_machine_are_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert ask(running.client()).choices[0].message.content
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "["}):
            response = httpx2.get(f"{running.url}/v1/models", headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "not_local")


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


def test_answering_does_not_list_all_adapters(
    server: RunningServer, ann: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_adapter(server, TEXTS[0])["model"]
    monkeypatch.delattr(AdapterStore, "list")
    assert ask(ann, model).choices[0].message.content == expected_answer(server, TEXTS[0])
    assert ann.models.retrieve(model).id == model


def test_added_documents_are_checked_on_request(server: RunningServer) -> None:
    text = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
    id = new_adapter(server, TEXTS[3])["id"]
    with http(server) as client:
        refused = client.patch(f"/v1/adapters/{id}?check=true", json={"remove": ["doc"]})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "check")
        changed = client.patch(f"/v1/adapters/{id}?check=true", json={"add": [{"name": "elm", "text": text}]}).json()
        assert (changed["fidelity"], changed["checking"]) == (None, True)
        shown = checked_adapter(client, changed["id"])
        assert 0 <= shown["fidelity"] <= 1
