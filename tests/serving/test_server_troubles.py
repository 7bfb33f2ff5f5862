"""A server under load, with a failing disk, with clients that disconnect, and during shutdown."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from serving.documents.test_parsing import nested_html
from serving.held_calls import Counted, EndlessInternalizing, Held, post_text, send_and_hang_up
from serving.running import CHAT, ask, expected_answer, serving
from serving.tiny_lorify import TEXTS, save_tiny_task_hypernetwork, tiny_lorify
from serving.waiting import wait_until
from tiny import tiny_base

from lorify.base.decoding.sampling import sample_tokens
from lorify.contexts.documents import document_from_text
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.serving.http.schemas.lorify_routes import NewDocument
from lorify.serving.service import LOCAL_OWNER, MAX_EXPORTS
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

MEGABYTE = 1 << 20


def test_exports_that_are_being_sent_are_limited(tmp_path: Path) -> None:
    with serving(tmp_path) as running, httpx2.Client(base_url=running.url, timeout=60) as client:
        created = client.post("/v1/adapters", json={"text": TEXTS[0]}).json()
        path = f"/v1/adapters/{created['id']}/export"
        for _ in range(MAX_EXPORTS + 1):  # each frees its place at the end
            assert client.get(path).status_code == 200
        wait_until(lambda: running.num_requests == 0)
        with ExitStack() as held:
            for _ in range(MAX_EXPORTS):
                held.enter_context(running.service.exports.slot(LOCAL_OWNER))
            busy = client.get(path)
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "busy")


def test_adapters_in_use_take_a_limited_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = Held(sample_tokens)
    monkeypatch.setattr("lorify.serving.engines.local.sample_tokens", sampled)
    with (
        serving(tmp_path, settings=ServingSettings(max_used_adapter_bytes=1)) as running,
        ThreadPoolExecutor(2) as pool,
    ):
        first, second = (post_text(running, text).json() for text in TEXTS[:2])

        def ask_with(adapter: dict, **options: object) -> httpx2.Response:
            body = CHAT | {"model": adapter["model"], "only_if_relevant": False, **options}
            return httpx2.post(f"{running.url}/v1/chat/completions", json=body, timeout=60)

        together = ask_with(first, adapters=[{"id": second["id"]}])
        assert together.status_code == 400 and "the limit is 1" in together.json()["error"]["message"]
        answers = [pool.submit(ask_with, first) for _ in range(2)]
        wait_until(lambda: sampled.num_calls == 1)
        busy = ask_with(second)
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "busy")
        sampled.release()
        assert [answer.result().status_code for answer in answers] == [200, 200], "an adapter counts once"
        wait_until(lambda: ask_with(second).status_code == 200)


def test_one_key_cannot_take_all_measurements_of_fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ServingSettings(max_internalizing=8, max_key_share=0.25)
    with serving(tmp_path, owners=("ann", "bob"), settings=settings) as running:
        asked = Held(running.service.model.answerer.request)
        monkeypatch.setattr(running.service.model.answerer, "request", asked)

        def checking(owner: str, number: int) -> bool:
            headers = {"Authorization": f"Bearer {running.keys[owner]}"}
            body = {"text": f"The mill {number} opens at {number}. Ada Brown keeps {number} bees."}
            path = f"{running.url}/v1/adapters?check=true"
            return httpx2.post(path, json=body, headers=headers, timeout=60).json()["checking"]

        assert [checking("ann", i) for i in range(4)] == [True, True, False, False]
        assert checking("bob", 9)
        wait_until(lambda: asked.num_calls == 2)  # one of each
        asked.release()


def test_a_key_that_has_stored_too_much_is_told_how_to_free_space(tmp_path: Path) -> None:
    settings = ServingSettings(max_key_disk_bytes=1)
    with serving(tmp_path, owners=("ann", "bob"), settings=settings) as running:
        with httpx2.Client(base_url=running.url, headers={"Authorization": f"Bearer {running.keys['ann']}"}) as client:
            refused = client.post("/v1/adapters", json={"text": TEXTS[0]})
            assert refused.status_code == 403
            error = refused.json()["error"]
            assert (error["type"], error["code"]) == ("insufficient_quota", "storage_limit")
            assert "max_key_disk_bytes" in error["message"] and "DELETE /v1/adapters/ID" in error["message"]
            assert client.get("/v1/adapters").json()["data"] == []


def test_one_key_alone_may_fill_the_store(tmp_path: Path) -> None:
    settings = ServingSettings(max_key_disk_bytes=1)
    with serving(tmp_path, owners=("ann",), settings=settings) as running:
        headers = {"Authorization": f"Bearer {running.keys['ann']}"}
        stored = httpx2.post(f"{running.url}/v1/adapters", json={"text": TEXTS[0]}, headers=headers, timeout=60)
        assert stored.status_code == 201


def test_slow_uploads_do_not_block_other_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most, more = 8, 3
    with serving(tmp_path, settings=ServingSettings(max_reading=most)) as running, ThreadPoolExecutor(11) as pool:
        parse = Held(running.service.documents.parser.parse)
        monkeypatch.setattr(running.service.documents.parser, "parse", parse)

        def upload(number: int) -> httpx2.Response:
            return httpx2.post(f"{running.url}/v1/adapters", files={"file": (f"{number}.txt", f"{number}")}, timeout=60)

        done = as_completed([pool.submit(upload, i) for i in range(most + more)])
        for _ in range(more):
            busy = next(done).result()
            assert (busy.status_code, busy.json()["error"]["code"]) == (429, "busy")
            assert busy.headers["retry-after"] == "5"
        assert httpx2.get(f"{running.url}/v1/adapters").json()["data"] == []
        assert ask(running.client(timeout=30)).choices[0].message.content
        assert parse.num_calls == 2
        parse.release()
        assert [one.result().status_code for one in done] == [201] * most


def test_a_document_that_takes_too_long_to_read_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, settings=ServingSettings(parse_seconds=0.2)) as running:
        files = {"file": ("nested.html", nested_html(100_000))}
        response = httpx2.post(f"{running.url}/v1/adapters", files=files, timeout=60)
        assert response.status_code == 413 and "takes more than 0.2 s to parse" in response.json()["error"]["message"]
        assert httpx2.get(f"{running.url}/v1/adapters").json()["data"] == []
        assert httpx2.get(f"{running.url}/health").status_code == 200


def test_a_long_text_does_not_block_other_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tidy = Held(document_from_text)
    monkeypatch.setattr("lorify.serving.limits.text_sizes.document_from_text", tidy)
    with serving(tmp_path) as running, ThreadPoolExecutor(1) as pool:
        posted = pool.submit(post_text, running, TEXTS[0])
        tidy.wait_for_calls(1)
        assert httpx2.get(f"{running.url}/health", timeout=10).status_code == 200
        tidy.release()
        assert posted.result().status_code == 201


def test_a_long_text_is_validated_fast() -> None:
    text = "\N{LATIN SMALL LETTER E WITH ACUTE}" * (16 * MEGABYTE)
    started = time.thread_time()
    NewDocument(text=text)
    assert time.thread_time() - started < 0.3


@pytest.mark.parametrize(
    "refused, status, code",
    [
        (OSError(28, "No space left on device"), 507, "store_full"),
        (OSError(5, "Input/output error"), 500, "store_failed"),
    ],
)
def test_a_failing_disk_is_a_server_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: OSError, status: int, code: str
) -> None:
    def refuse(*_args: object) -> None:
        raise refused

    with serving(tmp_path) as running:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", refuse)
            response = post_text(running, TEXTS[0])
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["type"]) == (status, code, "server_error")
        assert str(tmp_path) not in error["message"]
        assert httpx2.get(f"{running.url}/v1/adapters").json()["data"] == []
        assert post_text(running, TEXTS[0]).status_code == 201


def test_an_adapter_damaged_on_disk_is_reported_and_created_again(tmp_path: Path) -> None:
    with serving(tmp_path, settings=ServingSettings(max_memory_bytes=0)) as running:
        created = post_text(running, TEXTS[0]).json()
        for path in (tmp_path / "store" / "adapters" / created["id"]).iterdir():
            path.write_bytes(path.read_bytes()[:-1])
        response = httpx2.post(f"{running.url}/v1/chat/completions", json=CHAT | {"model": created["model"]})
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["type"]) == (500, "store_failed", "server_error")
        assert "post its documents again" in error["message"]
        again = post_text(running, TEXTS[0]).json()
        assert (again["id"], again["reused"]) == (created["id"], False)
        assert ask(running.client(), created["model"]).choices[0].message.content == expected_answer(running, TEXTS[0])


def test_queued_work_is_dropped_when_its_client_disconnects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, settings=ServingSettings(max_internalizing=2)) as running, ThreadPoolExecutor(2) as pool:
        internalize = Held(running.service.model.internalizer.internalize)
        monkeypatch.setattr(AssociativeInternalizer, "internalize", internalize)
        first = pool.submit(post_text, running, TEXTS[0])
        internalize.wait_for_calls(1)
        find = Counted(running.service.store.find)
        monkeypatch.setattr(running.service.store, "find", find)
        send_and_hang_up(running, "POST", "", {"text": TEXTS[1]}, lambda: find.wait_for_calls(1))
        wait_until(lambda: running.num_requests == 1)

        third = pool.submit(post_text, running, TEXTS[3])
        find.wait_for_calls(2)
        internalize.release()
        assert (first.result().status_code, third.result().status_code) == (201, 201)
        listed = httpx2.get(f"{running.url}/v1/adapters").json()["data"]
        digests = [adapter["documents"][0]["sha256"] for adapter in listed]
        assert digests == [document_from_text(TEXTS[i]).digest for i in (0, 3)]
        assert internalize.num_calls == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_running_work_is_cancelled_when_its_client_disconnects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    with serving(tmp_path) as running:
        id = post_text(running, TEXTS[0]).json()["id"]
        path, body = ("", {"text": TEXTS[1]}) if method == "POST" else (f"/{id}", {"add": [{"text": TEXTS[1]}]})
        endless = EndlessInternalizing()
        with monkeypatch.context() as patch:
            patch.setattr(AssociativeInternalizer, "internalize" if method == "POST" else "add", endless)
            send_and_hang_up(running, method, path, body, endless.begun.wait)
        assert post_text(running, TEXTS[2]).status_code == 201
        assert len(httpx2.get(f"{running.url}/v1/adapters").json()["data"]) == 2


def test_equal_documents_posted_at_the_same_time_are_internalized_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, owners=("ann", "bob")) as running, ThreadPoolExecutor(4) as pool:
        internalize = Held(running.service.model.internalizer.internalize)
        monkeypatch.setattr(AssociativeInternalizer, "internalize", internalize)

        def post(owner: str) -> dict:
            return post_text(running, TEXTS[0], headers={"Authorization": f"Bearer {running.keys[owner]}"}).json()

        anns = [pool.submit(post, "ann") for _ in range(3)]
        bobs = pool.submit(post, "bob")
        internalize.wait_for_calls(1)
        wait_until(lambda: running.num_requests == 4)
        internalize.release()
        created = [one.result() for one in anns]
        assert sorted(adapter["reused"] for adapter in created) == [False, True, True]
        assert {adapter["id"] for adapter in created} == {bobs.result()["id"]}
        assert bobs.result()["reused"] is False  # bob cannot see that ann has it
        assert internalize.num_calls == 2


def test_shared_work_goes_on_when_one_client_disconnects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path) as running, ThreadPoolExecutor(1) as pool:
        internalize = Held(running.service.model.internalizer.internalize)
        monkeypatch.setattr(AssociativeInternalizer, "internalize", internalize)
        arrivals = Counted(running.service.creator.internalize)
        monkeypatch.setattr(running.service.creator, "internalize", arrivals)
        waiting = []

        def another_joins() -> None:
            internalize.wait_for_calls(1)
            waiting.append(pool.submit(post_text, running, TEXTS[0]))
            arrivals.wait_for_calls(2)

        send_and_hang_up(running, "POST", "", {"text": TEXTS[0]}, another_joins)
        wait_until(lambda: running.num_requests == 1)
        internalize.release()
        assert waiting[0].result().status_code == 201
        assert internalize.num_calls == 1


def test_a_known_task_is_not_specialized_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(tmp_path / "tasks", base))
    with serving(tmp_path, model=model) as running:
        first = httpx2.post(f"{running.url}/v1/adapters", json={"task": "Shout."}, timeout=60).json()
        with monkeypatch.context() as patch:
            patch.delattr(type(model), "specialize")
            again = httpx2.post(f"{running.url}/v1/adapters", json={"task": "Shout."}, timeout=60).json()
        assert (first["reused"], again["reused"], again["id"]) == (False, True, first["id"])
        other = httpx2.post(f"{running.url}/v1/adapters", json={"task": "Whisper."}, timeout=60).json()
        assert (other["reused"], other["id"] != first["id"]) == (False, True)


def test_an_adapter_is_kept_although_too_many_are_being_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, settings=ServingSettings(max_internalizing=1)) as running:
        sample = Held(lambda _texts: [])
        monkeypatch.setattr("lorify.serving.fidelity_checks.fidelity_questions", sample)
        first, second = (
            httpx2.post(f"{running.url}/v1/adapters?check=true", json={"text": text}, timeout=60) for text in TEXTS[:2]
        )
        sample.release()
        assert (first.status_code, first.json()["checking"]) == (201, True)
        assert (second.status_code, second.json()["checking"]) == (201, False)
