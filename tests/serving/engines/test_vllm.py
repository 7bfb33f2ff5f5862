"""The vLLM engine with a fake vLLM server that loads the adapters written for it."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from fastapi.responses import JSONResponse
from serving.fake_vllm import MODEL as REMOTE_MODEL
from serving.fake_vllm import FakeVllm, fake_vllm, refusal
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS, tiny_adapters, tiny_lorify
from serving.waiting import until

from lorify.adapters import Adapter, AdapterLike, AdapterStack, LoraPair
from lorify.answering.plan import AnswerPlan, Planner, Query, plan_as_requested
from lorify.base.sampling import GenerationOptions
from lorify.errors import BusyError, ClosingError, EngineError, LorifyError, RequestError, TooSlowError
from lorify.serving.engines import vllm_adapters
from lorify.serving.engines.jobs import Job
from lorify.serving.engines.vllm import VllmEngine, VllmLimits
from lorify.serving.engines.vllm_adapters import ALLOWED_RANKS, content_name, fold, needed_rank

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
MODEL = tiny_lorify()
ADAPTERS = tiny_adapters(MODEL)
QUESTION = "What is it?"
OPTIONS = GenerationOptions(12)


def job(adapter: AdapterLike = None, *, question: str = QUESTION, options: GenerationOptions = OPTIONS, **extra) -> Job:
    """A job with the prompt of `QUESTION` whose adapters are planned for `question`."""
    request = MODEL.answerer.request(Query(QUESTION, AdapterStack.of(adapter)))
    return Job(replace(request, question=question), options, trim=True, **extra)


async def text_of(engine: VllmEngine, wanted: Job) -> str:
    async with engine.submit(wanted) as pieces:
        return "".join([piece.text async for piece in pieces])


def run(
    scenario: Callable[[VllmEngine], Awaitable], url: str, folder: Path, plan: Planner = plan_as_requested, **limits
):
    async def main():
        engine = VllmEngine(MODEL.base, url, folder, VllmLimits(**limits), plan)
        try:
            return await asyncio.wait_for(scenario(engine), 600)
        finally:
            await engine.drain(0)

    return asyncio.run(main())


def name_of(row: AdapterLike) -> str:
    """Name of an adapter in the folder and on the server."""
    folded = fold(AdapterStack.of(row), MODEL.base)
    assert folded is not None
    return content_name(folded)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def documents_of(adapter: Adapter) -> list[str]:
    return [record.digest for record in adapter.provenance.documents]


def thinned(adapter: Adapter) -> Adapter:
    """The adapter with LoRA pairs of different ranks."""
    weights = dict(adapter.weights)
    key = min(weights)
    weights[key] = LoraPair(weights[key].A[:2], weights[key].B[:, :2])
    return replace(adapter, weights=weights)


def test_greedy_answers_equal_those_of_the_local_engine(tmp_path: Path) -> None:
    rows: list[AdapterLike] = [
        None,
        ADAPTERS[0],
        AdapterStack(((ADAPTERS[0], 0.5),)),
        AdapterStack(((ADAPTERS[1], -0.5),)),
        AdapterStack(((ADAPTERS[0], 0.5), (ADAPTERS[1], -1.5))),
        thinned(ADAPTERS[2]),
    ]
    expected = MODEL.ask_batch([QUESTION] * len(rows), rows, max_new_tokens=12)
    assert len(set(expected)) == len(rows)

    async def scenario(engine: VllmEngine) -> list[str]:
        return await asyncio.gather(*[text_of(engine, job(row)) for row in rows])

    with fake_vllm(MODEL.base) as fake:
        assert run(scenario, fake.url, tmp_path) == expected
        assert len(fake.loaded) == 5 and sorted(fake.loaded) == sorted(path.name for path in tmp_path.iterdir())


def test_focused_adapters_are_removed_after_their_answer(tmp_path: Path) -> None:
    def plan(requests):
        other = AdapterStack.of(ADAPTERS[1])
        return [
            AnswerPlan(r.prompt_ids, other if r.focus and r.question == "focused" else r.adapters) for r in requests
        ]

    async def scenario(engine: VllmEngine) -> list[str]:
        texts = await asyncio.gather(
            *[
                text_of(engine, job(ADAPTERS[0], question=question))
                for question in ("focused", "focused", "another", "")
            ]
        )
        await until(lambda: names_in(tmp_path) == set(fake.loaded) == {name_of(ADAPTERS[0])})
        return texts

    first, second = (MODEL.ask(QUESTION, adapter, max_new_tokens=12) for adapter in ADAPTERS[:2])
    with fake_vllm(MODEL.base) as fake:
        assert run(scenario, fake.url, tmp_path, plan) == [second, second, first, first]
        assert {request["model"] for request in fake.requests} == {name_of(adapter) for adapter in ADAPTERS[:2]}
        fake.requests.clear()
        wanted = job(ADAPTERS[0], question="focused")
        assert run(lambda engine: text_of(engine, wanted), fake.url, tmp_path, plan, focus=False) == first


def test_generation_options_reach_the_server(tmp_path: Path) -> None:
    wanted = job(options=GenerationOptions(12, temperature=0.7, top_p=0.0, seed=5), stops=("END",), top_logprobs=2)
    with fake_vllm(MODEL.base) as fake:
        run(lambda engine: text_of(engine, wanted), f"{fake.url}/v1/", tmp_path)
    (request,) = fake.requests
    assert (request["model"], request["prompt"], request["max_tokens"]) == (
        REMOTE_MODEL,
        list(wanted.request.prompt_ids),
        12,
    )
    assert (request["temperature"], request["seed"], request["stop"], request["logprobs"]) == (0.7, 5, ["END"], 2)
    assert 0 < request["top_p"] < 1e-3


def test_the_least_recently_used_adapter_is_unloaded(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> list[str]:
        for adapter in (ADAPTERS[0], ADAPTERS[1], ADAPTERS[0], ADAPTERS[2]):
            await text_of(engine, job(adapter))
        held = list(fake.loaded)
        await text_of(engine, job(ADAPTERS[1]))
        return held

    with fake_vllm(MODEL.base) as fake:
        held = run(scenario, fake.url, tmp_path, max_loaded=2)
        assert len(held) == len(fake.loaded) == 2
        assert held[1] in fake.loaded and held[0] not in fake.loaded  # the third stays, the first is unloaded


def test_an_unreachable_server_is_reported_and_used_once_it_is_back(tmp_path: Path) -> None:
    with fake_vllm(MODEL.base) as fake:
        url = fake.url

    async def scenario(engine: VllmEngine) -> str:
        with pytest.raises(EngineError, match="cannot be reached"):
            await text_of(engine, job(ADAPTERS[0]))
        assert not await engine.is_healthy()
        with fake_vllm(MODEL.base, port=int(url.rpartition(":")[2])):
            text = await text_of(engine, job(ADAPTERS[0]))
            assert await engine.is_healthy()
        return text

    assert run(scenario, url, tmp_path) == MODEL.ask(QUESTION, ADAPTERS[0], max_new_tokens=12)


def test_an_adapter_that_the_server_evicted_is_loaded_again_within_the_request(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> list[str]:
        before = await text_of(engine, job(ADAPTERS[0]))
        fake.loaded.clear()
        return [before, await text_of(engine, job(ADAPTERS[0]))]

    with fake_vllm(MODEL.base) as fake:
        assert run(scenario, fake.url, tmp_path) == [MODEL.ask(QUESTION, ADAPTERS[0], max_new_tokens=12)] * 2
        assert [request["model"] for request in fake.requests] == [name_of(ADAPTERS[0])] * 3


def test_a_server_that_keeps_evicting_an_adapter_is_an_error(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"refuses: The model `x` does not exist\."):
            await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        fake.refusals = [refusal(404, "The model `x` does not exist.") for _ in range(3)]
        run(scenario, fake.url, tmp_path)
        assert len(fake.requests) == 2


def test_an_adapter_in_use_stays_loaded(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        first, second = engine.submit(job(ADAPTERS[0])), engine.submit(job(ADAPTERS[0]))
        async with second as pieces:
            async with first as others:
                await anext(others)
                fake.refusals = [refusal(404, "The model does not exist.")]
                await text_of(engine, job(ADAPTERS[1]))
                await anext(pieces)
            await text_of(engine, job(ADAPTERS[2]))  # the first answer has ended; one adapter may be loaded
            assert name_of(ADAPTERS[0]) in fake.loaded
            [_ async for _ in pieces]
        await text_of(engine, job(ADAPTERS[1]))
        assert list(fake.loaded) == [name_of(ADAPTERS[1])]

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path, max_loaded=1)


def test_written_adapters_are_kept_within_a_size_limit(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "file").write_bytes(bytes(1 << 20))
    rows: list[AdapterLike] = [AdapterStack(((adapter, 0.5),)) for adapter in ADAPTERS]

    async def scenario(engine: VllmEngine) -> list[str]:
        async with engine.submit(job(rows[0])) as pieces:
            await anext(pieces)
            for row in rows[1:]:
                await text_of(engine, job(row))
            assert (
                names_in(tmp_path) == {foreign.name, name_of(rows[0]), name_of(rows[3])} == {foreign.name, *fake.loaded}
            )
        return [await text_of(engine, job(row)) for row in rows]

    with fake_vllm(MODEL.base) as fake:
        run(lambda engine: text_of(engine, job(rows[0])), fake.url, tmp_path)
        size = sum(path.stat().st_size for path in (tmp_path / name_of(rows[0])).iterdir())
        answers = run(scenario, fake.url, tmp_path, max_folder_bytes=int(2.5 * size))
    assert answers == [MODEL.ask(QUESTION, row, max_new_tokens=12) for row in rows]
    assert names_in(tmp_path) == {foreign.name, name_of(rows[2]), name_of(rows[3])}


def test_the_oldest_folders_of_an_earlier_run_and_partial_ones_are_deleted_first(tmp_path: Path) -> None:
    async def ask(engine: VllmEngine) -> None:
        for adapter in ADAPTERS[:2]:
            await text_of(engine, job(adapter))

    with fake_vllm(MODEL.base) as fake:
        run(ask, fake.url, tmp_path)
        half = tmp_path / f".{name_of(ADAPTERS[2])}-0123456789abcdef"
        half.mkdir()
        old, older, kept = tmp_path / name_of(ADAPTERS[1]), half, tmp_path / name_of(ADAPTERS[0])
        for age, folder in enumerate((kept, old, older)):
            os.utime(folder, (1e9 - age, 1e9 - age))
        size = sum(path.stat().st_size for path in kept.iterdir())
        run(lambda engine: text_of(engine, job(ADAPTERS[3])), fake.url, tmp_path, max_folder_bytes=int(2.5 * size))
    assert names_in(tmp_path) == {kept.name, name_of(ADAPTERS[3])}


def test_adapters_of_deleted_documents_are_unloaded_and_removed(tmp_path: Path) -> None:
    created: list[AdapterLike] = [
        ADAPTERS[0],
        AdapterStack(((ADAPTERS[0], 0.5),)),
        AdapterStack(((ADAPTERS[0], 1.0), (ADAPTERS[1], 0.5))),
    ]

    async def ask(engine: VllmEngine) -> None:
        for row in [*created, ADAPTERS[1]]:
            await text_of(engine, job(row))

    async def deleted(engine: VllmEngine) -> None:  # in a process that wrote none of them
        engine.forget(documents_of(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        run(ask, fake.url, tmp_path)
        assert len(names_in(tmp_path)) == len(fake.loaded) == 4
        run(deleted, fake.url, tmp_path)
        assert names_in(tmp_path) == set(fake.loaded) == {name_of(ADAPTERS[1])}


def test_an_adapter_in_use_is_removed_when_its_answer_has_ended(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        await text_of(engine, job(ADAPTERS[1]))
        async with engine.submit(job(ADAPTERS[0])) as pieces:
            await anext(pieces)
            engine.forget(documents_of(ADAPTERS[0]))
            engine.forget(documents_of(ADAPTERS[1]))
            await until(lambda: name_of(ADAPTERS[1]) not in names_in(tmp_path))  # removals run in order
            assert names_in(tmp_path) == set(fake.loaded) == {name_of(ADAPTERS[0])}
        await until(lambda: not names_in(tmp_path))
        assert not fake.loaded

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path)


@pytest.mark.parametrize("moment", ["before it is written", "while it is loaded"])
def test_a_document_deleted_while_its_adapter_is_loaded_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    async def scenario(engine: VllmEngine) -> None:
        loop = asyncio.get_running_loop()

        def delete() -> None:
            async def forget() -> None:
                engine.forget(documents_of(ADAPTERS[0]))

            asyncio.run_coroutine_threadsafe(forget(), loop).result()

        def named(adapter: Adapter) -> str:
            delete()
            time.sleep(0.2)  # so that the removal is over before the adapter is written
            return content_name(adapter)

        if moment == "before it is written":
            monkeypatch.setattr(vllm_adapters, "content_name", named)
        else:
            fake.loading = delete
        await text_of(engine, job(ADAPTERS[0]))
        assert name_of(ADAPTERS[0]) in {request["model"] for request in fake.requests}
        await until(lambda: not names_in(tmp_path))

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path)
        assert not fake.loaded


def test_a_deletion_while_the_server_is_down_removes_the_files(tmp_path: Path) -> None:
    async def deleted(engine: VllmEngine) -> None:
        engine.forget(documents_of(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        run(lambda engine: text_of(engine, job(ADAPTERS[0])), fake.url, tmp_path)
    run(deleted, fake.url, tmp_path)
    assert not names_in(tmp_path)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failed_unload_does_not_fail_the_answer(tmp_path: Path, status: int) -> None:
    async def scenario(engine: VllmEngine) -> str:
        await text_of(engine, job(ADAPTERS[0]))
        return await text_of(engine, job(ADAPTERS[1]))

    with fake_vllm(MODEL.base) as fake:
        fake.unload_refusals = [refusal(status, "Not now.")]
        text = run(scenario, fake.url, tmp_path, max_loaded=1)
        assert text == MODEL.ask(QUESTION, ADAPTERS[1], max_new_tokens=12) and not fake.unload_refusals


def test_an_adapter_in_use_during_shutdown_is_removed(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        async with engine.submit(job(ADAPTERS[0])) as pieces:
            await anext(pieces)
            engine.forget(documents_of(ADAPTERS[0]))
            await engine.drain(0.1)
        await until(lambda: not names_in(tmp_path))

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[tuple[RunningServer, Path]]:
    """A lorify server with the vLLM engine, and the folder of written adapters."""
    folder = tmp_path / "vllm"
    with fake_vllm(MODEL.base) as fake:
        engine = VllmEngine(MODEL.base, fake.url, folder)
        with serving(tmp_path, model=MODEL, engine=engine) as running:
            yield running, folder


def test_deleted_and_removed_documents_are_removed_from_the_folder(front: tuple[RunningServer, Path]) -> None:
    server, folder = front

    def ask(model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "only_if_relevant": False}
        assert client.post("/v1/chat/completions", json=body | {"max_tokens": 3}).status_code == 200

    with httpx2.Client(base_url=server.url, timeout=600) as client:
        documents = [{"name": name, "text": text} for name, text in zip("ab", TEXTS, strict=False)]
        created = client.post("/v1/adapters", json={"documents": documents}).json()
        ask(created["model"])
        (both,) = names_in(folder)
        changed = client.patch(f"/v1/adapters/{created['id']}", json={"remove": ["a"]}).json()
        ask(changed["model"])
        asyncio.run(until(lambda: both not in names_in(folder)))
        assert len(names_in(folder)) == 1
        assert client.delete(f"/v1/adapters/{changed['id']}").status_code == 200
        asyncio.run(until(lambda: not names_in(folder)))


def test_a_refusal_has_a_reason_and_a_remedy(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"greater than max_lora_rank 4\.; start it with --enable-lora"):
            await text_of(engine, job(ADAPTERS[0]))
        await text_of(engine, job())

    with fake_vllm(MODEL.base, max_lora_rank=4) as fake:
        run(scenario, fake.url, tmp_path)


def test_an_adapter_that_cannot_be_written_is_a_server_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"cannot be written for vLLM \(.*\); .* check --adapters-dir"):
            await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path / "file" / "vllm")


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match="broke off the answer"):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.breaks_off = True
        run(scenario, fake.url, tmp_path)


@pytest.mark.parametrize(
    "answer, expected, message",
    [
        (refusal(400, "Too long."), RequestError, r"Too long\."),
        (refusal(429, "Full.", Retry_After="7"), BusyError, r"Full\.; try again in 7 s"),
        (refusal(429, "Full.", Retry_After="soon"), BusyError, r"try again in 5 s"),
        (refusal(503, "Not yet."), ClosingError, r"Not yet\.; try again in a moment"),
        (refusal(401, "No key."), EngineError, "VLLM_API_KEY"),
        (JSONResponse([1], 500), EngineError, r"refuses: \[1\]"),
    ],
)
def test_refusals_of_the_server_keep_their_meaning(
    tmp_path: Path, answer: JSONResponse, expected: type[LorifyError], message: str
) -> None:
    async def scenario(engine: VllmEngine) -> LorifyError:
        with pytest.raises(expected, match=message) as raised:
            await text_of(engine, job())
        await text_of(engine, job())
        return raised.value

    with fake_vllm(MODEL.base) as fake:
        fake.refusals = [answer]
        error = run(scenario, fake.url, tmp_path)
    assert type(error) is expected
    assert not isinstance(error, BusyError) or error.retry_after_seconds == (7 if "7" in message else 5)


@pytest.mark.parametrize(
    "sent",
    [
        "data: {bro\n\n",
        "data: 5\n\n",
        'data: {"choices": 5}\n\n',
        'data: {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": []}}]}\n\n',
        'data: {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [NaN]}}]}\n\n',
        'data: {"error": ["it", "failed"]}\n\n',
        "<html>not an answer</html>",
        "",
    ],
)
def test_a_malformed_answer_is_an_error(tmp_path: Path, sent: str) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=fake.url):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.garbage = sent
        run(scenario, fake.url, tmp_path)


@pytest.mark.parametrize("sent", ["nothing", {"data": 1}, {"data": [{"name": "x"}]}])
def test_a_server_that_is_not_vllm_is_an_error(tmp_path: Path, sent: object) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"does not respond like a vLLM server \(.*\); check --endpoint"):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.models = sent
        run(scenario, fake.url, tmp_path)


def test_a_server_with_another_base_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    message = rf"serves {REMOTE_MODEL}, expected {MODEL.base.name}; start it with that base, or .*vllm\.base_model=NAME"

    async def refused(engine: VllmEngine) -> None:
        assert not await engine.is_healthy()
        with pytest.raises(EngineError, match=message):
            await text_of(engine, job())

    async def ask(engine: VllmEngine) -> str:
        assert await engine.is_healthy()
        return await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        fake.root = "/models/another"
        run(refused, fake.url, tmp_path)
        assert f"expected {MODEL.base.name}" in caplog.text and not fake.requests
        for name in (REMOTE_MODEL, "The-Base", "/models/another"):
            assert run(ask, fake.url, tmp_path, base_model=name)


def test_a_job_holds_its_slot_until_its_answer_is_read_or_dropped(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        kept = [engine.submit(job()), engine.submit(job())]
        with pytest.raises(BusyError, match="2 requests are being answered"):
            engine.submit(job())
        kept.pop()  # dropped unread
        assert engine.status().running == 1
        read = engine.submit(job())
        async with read as pieces:
            await anext(pieces)
            assert engine.status().running == 2
        assert engine.status().running == 1
        await text_of(engine, job())
        kept.clear()
        assert engine.status().running == 0

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path, max_jobs=2)


def test_late_answers_and_too_many_jobs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(self: FakeVllm, body: dict):
        assert released.wait(60)
        yield ""

    monkeypatch.setattr(FakeVllm, "answer", slow)

    async def scenario(engine: VllmEngine) -> None:
        late = asyncio.create_task(text_of(engine, job()))
        await until(lambda: engine.status().running == 1)
        with pytest.raises(BusyError):
            engine.submit(job())
        with pytest.raises(TooSlowError):
            await late
        released.set()
        await engine.drain(1)
        with pytest.raises(ClosingError):
            engine.submit(job())

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path, max_jobs=1, timeout_seconds=0.3)


def test_an_empty_stack_needs_no_adapter() -> None:
    assert fold(AdapterStack(), MODEL.base) is None


def test_the_rank_for_vllm_is_one_it_accepts() -> None:
    assert ADAPTERS[0].rank <= needed_rank(ADAPTERS[0].rank) in ALLOWED_RANKS
