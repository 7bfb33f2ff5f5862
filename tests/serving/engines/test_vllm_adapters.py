"""The adapters that the vLLM engine writes, loads, unloads and removes, with a fake vLLM server."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from serving.fake_vllm import fake_vllm, refusal
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS
from serving.vllm_jobs import ADAPTERS, MODEL, QUESTION, documents_of, job, name_of, names_in, run, text_of
from serving.waiting import until

from lorify.adapters import Adapter, AdapterLike, AdapterStack
from lorify.answering.plan import AnswerPlan
from lorify.serving.engines import vllm_adapters
from lorify.serving.engines.vllm import VllmEngine
from lorify.serving.engines.vllm_adapters import content_name

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


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
