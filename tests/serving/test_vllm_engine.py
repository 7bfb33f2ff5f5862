"""The engine that asks a vLLM server, against a stand-in that loads what is written for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from serving.fake_vllm import MODEL as REMOTE_MODEL
from serving.fake_vllm import FakeVllm, fake_vllm
from serving.tiny_lorify import tiny_adapters, tiny_lorify

from lorify.adapters import Adapter, AdapterRow, LoraPair
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.sampling import Sampling
from lorify.errors import BusyError, ClosingError, EngineError, TooSlowError
from lorify.serving.jobs import Job
from lorify.serving.vllm_adapters import ALLOWED_RANKS, fold, needed_rank
from lorify.serving.vllm_engine import VllmEngine, VllmLimits

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
MODEL = tiny_lorify()
ADAPTERS = tiny_adapters(MODEL)
QUESTION = "What is it?"


def job(adapter: AdapterRow = None, **options) -> Job:
    prompt = build_prompt_ids(MODEL.base.tokenizer, question_messages(QUESTION))
    return Job(tuple(prompt), 12, adapter, trim=True, **options)


async def text_of(engine: VllmEngine, wanted: Job) -> str:
    async with engine.submit(wanted) as pieces:
        return "".join([piece.text async for piece in pieces])


def run(scenario: Callable[[VllmEngine], Awaitable], url: str, folder: Path, **limits):
    async def main():
        engine = VllmEngine(MODEL.base, url, folder, VllmLimits(**limits))
        try:
            return await asyncio.wait_for(scenario(engine), 600)
        finally:
            await engine.drain(0)

    return asyncio.run(main())


def thinned(adapter: Adapter) -> Adapter:
    """The adapter with pairs of different ranks."""
    weights = dict(adapter.weights)
    key = min(weights)
    weights[key] = LoraPair(weights[key].A[:2], weights[key].B[:, :2])
    return replace(adapter, weights=weights)


def test_its_greedy_answers_are_those_of_the_local_engine(tmp_path: Path) -> None:
    rows: list[AdapterRow] = [
        None,
        ADAPTERS[0],
        [(ADAPTERS[0], 0.5)],
        [(ADAPTERS[1], -0.5)],
        [(ADAPTERS[0], 0.5), (ADAPTERS[1], -1.5)],
        thinned(ADAPTERS[2]),
    ]
    expected = MODEL.ask_batch([QUESTION] * len(rows), rows, max_new_tokens=12)
    assert len(set(expected)) == len(rows)

    async def scenario(engine: VllmEngine) -> list[str]:
        return await asyncio.gather(*[text_of(engine, job(row)) for row in rows])

    with fake_vllm(MODEL.base) as fake:
        assert run(scenario, fake.url, tmp_path) == expected
        assert len(fake.loaded) == 5 and sorted(fake.loaded) == sorted(path.name for path in tmp_path.iterdir())


def test_what_is_asked_reaches_the_server(tmp_path: Path) -> None:
    wanted = job(sampling=Sampling(0.7, 0.0, 5), stops=("END",), top_logprobs=2)
    with fake_vllm(MODEL.base) as fake:
        run(lambda engine: text_of(engine, wanted), f"{fake.url}/v1/", tmp_path)
    (asked,) = fake.asked
    assert (asked["model"], asked["prompt"], asked["max_tokens"]) == (REMOTE_MODEL, list(wanted.prompt), 12)
    assert (asked["temperature"], asked["seed"], asked["stop"], asked["logprobs"]) == (0.7, 5, ["END"], 2)
    assert 0 < asked["top_p"] < 1e-3


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
        assert held[1] in fake.loaded and held[0] not in fake.loaded  # the third stays, the first goes


def test_a_server_that_is_down_is_said_to_be_and_found_again(tmp_path: Path) -> None:
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


def test_a_server_that_began_anew_is_given_its_adapters_again(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        await text_of(engine, job(ADAPTERS[0]))
        fake.loaded.clear()
        with pytest.raises(EngineError, match="does not exist"):
            await text_of(engine, job(ADAPTERS[0]))
        await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path)


def test_a_refusal_says_why_and_what_to_do(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"greater than max_lora_rank 4\.; start it with --enable-lora"):
            await text_of(engine, job(ADAPTERS[0]))
        await text_of(engine, job())

    with fake_vllm(MODEL.base, max_lora_rank=4) as fake:
        run(scenario, fake.url, tmp_path)


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match="broke the answer off"):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.breaks_off = True
        run(scenario, fake.url, tmp_path)


def test_a_late_answer_and_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: FakeVllm, body: dict):
        time.sleep(0.6)
        yield ""

    monkeypatch.setattr(FakeVllm, "answer", slow)

    async def scenario(engine: VllmEngine) -> None:
        late = asyncio.create_task(text_of(engine, job()))
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            engine.submit(job())
        with pytest.raises(TooSlowError):
            await late
        await engine.drain(1)
        with pytest.raises(ClosingError):
            engine.submit(job())

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path, max_jobs=1, timeout_seconds=0.3)


def test_folding_nothing_is_the_bare_base() -> None:
    assert fold(None, MODEL.base) is None


def test_the_rank_to_start_vllm_with_is_one_it_takes() -> None:
    assert ADAPTERS[0].rank <= needed_rank(ADAPTERS[0]) in ALLOWED_RANKS
