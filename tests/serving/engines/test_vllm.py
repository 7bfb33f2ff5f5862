"""Answers of the vLLM engine with a fake vLLM server that loads the adapters written for it."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from serving.fake_vllm import MODEL as REMOTE_MODEL
from serving.fake_vllm import FakeVllm, fake_vllm
from serving.vllm_jobs import ADAPTERS, MODEL, QUESTION, job, name_of, run, text_of
from serving.waiting import until

from lorify.adapters import Adapter, AdapterLike, AdapterStack, LoraPair
from lorify.adapters.exports.vllm_ranks import ALLOWED_RANKS, needed_rank
from lorify.answering.plan import AnswerPlan
from lorify.answering.quotes import Quote
from lorify.answering.sources import Source
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import BusyError, ClosingError, TooSlowError
from lorify.serving.engines.vllm import VllmEngine
from lorify.serving.engines.vllm_adapters import fold

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


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


def test_an_adapter_that_the_server_evicted_is_loaded_again_within_the_request(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> list[str]:
        before = await text_of(engine, job(ADAPTERS[0]))
        fake.loaded.clear()
        return [before, await text_of(engine, job(ADAPTERS[0]))]

    with fake_vllm(MODEL.base) as fake:
        assert run(scenario, fake.url, tmp_path) == [MODEL.ask(QUESTION, ADAPTERS[0], max_new_tokens=12)] * 2
        assert [request["model"] for request in fake.requests] == [name_of(ADAPTERS[0])] * 3


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


def test_a_quote_of_the_documents_needs_no_tokens_of_the_server(tmp_path: Path) -> None:
    quote = Quote("The mill opens at nine.", Source("mill", "The mill opens at nine.", "", 0.9))

    def plan(requests):
        return [AnswerPlan(r.prompt_ids, r.adapters, request=r, quote=quote, quote_ids=(1, 2, 3)) for r in requests]

    with fake_vllm(MODEL.base) as fake:
        assert run(lambda engine: text_of(engine, job(ADAPTERS[0])), fake.url, tmp_path, plan) == quote.text
        assert not fake.requests
        cut = job(ADAPTERS[0], options=GenerationOptions(2))
        assert run(lambda engine: text_of(engine, cut), fake.url, tmp_path, plan) != quote.text
        assert len(fake.requests) == 1
