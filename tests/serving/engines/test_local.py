"""The local engine: answers, admission, time limits, failures and shutdown."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import pytest
from serving.engines.local_jobs import ADAPTERS, MODEL, QUESTIONS, job, pieces_of, run, text_of
from serving.random_adapters import random_adapter
from serving.waiting import until
from tiny import tiny_base

from lorify.adapters import AdapterLike, AdapterStack
from lorify.answering.plan import AnswerPlan, AnswerRequest, plan_as_requested
from lorify.answering.quotes import Quote
from lorify.errors import BusyError, ClosingError, EngineError, LorifyError, TooSlowError
from lorify.serving.engines.jobs import EngineStatus, Job, Piece
from lorify.serving.engines.local import LocalEngine


@pytest.mark.parametrize(("max_rows", "max_prefill_tokens"), [(1, 128), (3, 1), (3, 7), (32, 4096)])
def test_rows_with_different_adapters_are_answered_as_in_one_batch(max_rows: int, max_prefill_tokens: int) -> None:
    rows: list[AdapterLike] = [
        None,
        *ADAPTERS,
        AdapterStack(((ADAPTERS[0], 0.5), (ADAPTERS[1], -1.0))),
        ADAPTERS[2],
        None,
    ]
    questions = [QUESTIONS[i % len(QUESTIONS)] for i in range(len(rows))]
    expected = MODEL.ask_batch(questions, rows, max_new_tokens=12)
    assert len(set(expected)) > 4

    async def scenario(engine: LocalEngine) -> list[str]:
        answers = [engine.submit(job(*row)) for row in zip(questions, rows, strict=True)]
        return await asyncio.gather(*map(text_of, answers))

    assert run(scenario, max_rows=max_rows, max_prefill_tokens=max_prefill_tokens) == expected


def test_rows_that_start_later_do_not_change_running_ones() -> None:
    expected = MODEL.ask_batch(QUESTIONS[:2], ADAPTERS[:2], max_new_tokens=40)

    async def scenario(engine: LocalEngine) -> list[str]:
        texts = []
        async with engine.submit(job(QUESTIONS[0], ADAPTERS[0], max_tokens=40)) as pieces:
            texts.append((await anext(pieces)).text)
            second = asyncio.create_task(text_of(engine.submit(job(QUESTIONS[1], ADAPTERS[1], max_tokens=40))))
            texts += [piece.text async for piece in pieces]
        return ["".join(texts), await second]

    assert run(scenario) == expected


def test_adapters_are_chosen_when_their_jobs_start_in_the_engines_thread() -> None:
    threads = set()

    def plan(requests):
        threads.add(threading.current_thread().name)
        stacks = {QUESTIONS[0]: AdapterStack.of(ADAPTERS[1]), QUESTIONS[1]: AdapterStack()}
        return [AnswerPlan(r.prompt_ids, stacks.get(r.question, r.adapters)) for r in requests]

    async def scenario(engine: LocalEngine) -> list[list[Piece]]:
        jobs = [job(question, ADAPTERS[0]) for question in QUESTIONS[:3]]
        return await asyncio.gather(*[pieces_of(engine.submit(each)) for each in jobs])

    answers = run(scenario, plan)
    texts = ["".join(piece.text for piece in pieces) for pieces in answers]
    expected = MODEL.ask_batch(
        QUESTIONS[:3], [ADAPTERS[1], None, ADAPTERS[0]], only_if_relevant=False, max_new_tokens=12
    )
    assert texts == expected
    assert [{piece.adapter_on for piece in pieces} for pieces in answers] == [{True}, {False}, {True}]
    assert threads == {"lorify-engine"}


def test_a_quote_is_given_while_the_jobs_beside_it_are_decoded() -> None:
    quote = Quote("The mill opens at nine.", None)
    ids = tuple(MODEL.base.encode_text(quote.text))

    def plan(requests):
        plans = plan_as_requested(requests)
        return [
            replace(p, quote=quote, quote_ids=ids) if r.question == "Quote." else p
            for p, r in zip(plans, requests, strict=True)
        ]

    async def scenario(engine: LocalEngine) -> tuple[list[list[Piece]], EngineStatus]:
        alike = job("Quote.", ADAPTERS[0], max_tokens=len(ids))
        jobs = [alike, job(QUESTIONS[0], ADAPTERS[0]), replace(alike, trim=True), job(QUESTIONS[1], ADAPTERS[1])]
        jobs += [job("Quote.", ADAPTERS[0], max_tokens=4), job("Quote.", ADAPTERS[0], max_tokens=24, stops=("opens",))]
        answers = await asyncio.gather(*[pieces_of(engine.submit(each)) for each in jobs])
        await until(lambda: not engine.status().running)
        return answers, engine.status()

    answers, status = run(scenario, plan, max_prefill_tokens=4096)
    whole = [Piece(quote.text, len(ids), finish_reason="stop", adapter_on=True)]
    assert answers[0] == answers[2] == whole
    texts = ["".join(piece.text for piece in pieces) for pieces in answers]
    assert [texts[1], texts[3]] == MODEL.ask_batch(QUESTIONS[:2], ADAPTERS[:2], max_new_tokens=12)
    assert quote.text.startswith(texts[4].strip()) and answers[4][-1].finish_reason == "length"
    assert texts[5].strip() == "The mill" and answers[5][-1].finish_reason == "stop"
    assert status.answer_tokens < 2 * len(ids) + 24, "quotes are not generated"


def test_sampling_depends_only_on_its_seed() -> None:
    def sampled(seed: int) -> Job:
        return job(seed=seed)

    async def together(engine: LocalEngine) -> list[str]:
        return await asyncio.gather(*[text_of(engine.submit(sampled(seed))) for seed in (1, 2, 1)])

    async def alone(engine: LocalEngine) -> str:
        return await text_of(engine.submit(sampled(1)))

    first, second, again = run(together)
    assert first == again == run(alone) != second


def test_the_last_piece_has_the_finish_reason() -> None:
    whole = MODEL.ask(QUESTIONS[0], ADAPTERS[1], max_new_tokens=12)

    async def scenario(engine: LocalEngine) -> list[list[Piece]]:
        stop = whole[3:5]
        jobs = [job(adapter=ADAPTERS[1]), job(adapter=ADAPTERS[1], stops=(stop, "never"))]
        return [await pieces_of(engine.submit(each)) for each in jobs]

    at_length, at_stop = run(scenario)
    assert at_length[-1].finish_reason == "length"
    assert sum(piece.num_tokens for piece in at_length) == 12
    assert at_stop[-1].finish_reason == "stop"
    assert "".join(piece.text for piece in at_stop) == whole[: whole.index(whole[3:5])].rstrip()
    assert all(piece.finish_reason is None for piece in (*at_length[:-1], *at_stop[:-1]))


def test_logprobs_are_those_of_the_model() -> None:
    async def scenario(engine: LocalEngine) -> list[list[Piece]]:
        jobs = [job(top_logprobs=3), job(top_logprobs=0), job()]
        return [await pieces_of(stream) for stream in [engine.submit(each) for each in jobs]]

    with_top, without_top, silent = run(scenario)
    choices = [choice for piece in with_top for choice in piece.choices]
    assert len(choices) == 12
    for choice in choices:
        assert [len(choice.top), choice.top[0]] == [3, (choice.token, choice.logprob)]
        assert -20 < choice.top[2][1] <= choice.top[1][1] <= choice.logprob < 0
    assert [c.logprob for piece in without_top for c in piece.choices] == pytest.approx([c.logprob for c in choices])
    assert not any(choice.top for piece in without_top for choice in piece.choices)
    assert not any(piece.choices for piece in silent)


def test_too_many_jobs_are_refused_with_a_retry_time() -> None:
    async def scenario(engine: LocalEngine) -> str:
        async with engine.submit(job(max_tokens=400)) as running:
            await anext(running)
            waiting = [engine.submit(job(max_tokens=60)) for _ in range(2)]
            with pytest.raises(BusyError) as busy:
                engine.submit(job())
            assert busy.value.retry_after_seconds >= 1
            del waiting[:]  # dropped answers free their slots
        return await text_of(engine.submit(job(max_tokens=2)))

    assert run(scenario, max_rows=1, max_waiting=2) == MODEL.ask(QUESTIONS[0], max_new_tokens=2)


def test_a_starting_job_counts_as_running() -> None:
    starting, go_on = threading.Event(), threading.Event()

    def held_plan(requests: Sequence[AnswerRequest]) -> list[AnswerPlan]:
        starting.set()
        assert go_on.wait(60)
        return plan_as_requested(requests)

    async def scenario(engine: LocalEngine) -> list[str]:
        answers = [engine.submit(job())]
        assert await asyncio.to_thread(starting.wait, 60)
        answers.append(engine.submit(job()))
        assert (engine.status().running, engine.status().waiting) == (1, 1)
        with pytest.raises(BusyError):
            engine.submit(job())
        go_on.set()
        return await asyncio.gather(*map(text_of, answers))

    assert run(scenario, held_plan, max_rows=1, max_waiting=1) == [MODEL.ask(QUESTIONS[0], max_new_tokens=12)] * 2


def test_leaving_an_answer_frees_its_slot() -> None:
    async def scenario(engine: LocalEngine) -> None:
        async with engine.submit(job(max_tokens=400)) as pieces:
            await anext(pieces)
            assert engine.status().running == 1
        await text_of(engine.submit(job(max_tokens=1)))
        await until(lambda: not engine.status().running)
        assert engine.status().answer_tokens < 300

    run(scenario, max_rows=1)


def test_a_late_answer_ends_with_an_error() -> None:
    async def scenario(engine: LocalEngine) -> None:
        late = [engine.submit(job(max_tokens=450)) for _ in range(2)]
        for answer in late:
            with pytest.raises(TooSlowError, match=r"not finished within 0\.05 s"):
                await text_of(answer)

    run(scenario, max_rows=1, timeout_seconds=0.05)


def test_jobs_beyond_the_cache_limit_run_one_after_the_other() -> None:
    prompts = [job(question, max_tokens=5) for question in QUESTIONS]

    async def scenario(engine: LocalEngine) -> list[str]:
        return await asyncio.gather(*[text_of(engine.submit(each)) for each in prompts])

    assert run(scenario, max_cache_tokens=1) == MODEL.ask_batch(QUESTIONS, [None] * 5, max_new_tokens=5)


def test_draining_finishes_submitted_jobs_and_accepts_no_new_ones() -> None:
    async def scenario(engine: LocalEngine) -> list[str]:
        answers = [asyncio.create_task(text_of(engine.submit(job(max_tokens=30)))) for _ in range(3)]
        await asyncio.sleep(0)
        draining = asyncio.create_task(engine.drain(30))
        await asyncio.sleep(0)  # lets the drain begin
        with pytest.raises(ClosingError):
            engine.submit(job())
        await draining
        return await asyncio.gather(*answers)

    assert run(scenario, max_rows=1) == [MODEL.ask(QUESTIONS[0], max_new_tokens=30)] * 3


def test_draining_cancels_jobs_after_its_time() -> None:
    async def scenario(engine: LocalEngine) -> None:
        answer = engine.submit(job(max_tokens=450))
        started = time.monotonic()
        await engine.drain(0.05)
        assert time.monotonic() - started < 5
        with pytest.raises(ClosingError, match="shutting down before the answer"):
            await text_of(answer)

    run(scenario)


def test_a_failing_step_ends_its_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(engine: LocalEngine) -> str:
        def fail(*_args: object) -> NoReturn:
            raise RuntimeError("out of memory")

        with monkeypatch.context() as patch:
            patch.setattr("lorify.serving.engines.local.sample_tokens", fail)
            with pytest.raises(EngineError, match="RuntimeError"):
                await text_of(engine.submit(job()))
        return await text_of(engine.submit(job()))

    assert run(scenario) == MODEL.ask(QUESTIONS[0], max_new_tokens=12)


def test_an_adapter_that_does_not_fit_the_base_fails_its_own_job_only() -> None:
    foreign = random_adapter(size=MODEL.base.model.config.hidden_size + 1)
    expected = MODEL.ask_batch(QUESTIONS[:3], [ADAPTERS[0], None, ADAPTERS[1]], max_new_tokens=40)

    async def scenario(engine: LocalEngine) -> list[str | BaseException]:
        async with engine.submit(job(QUESTIONS[0], ADAPTERS[0], max_tokens=40)) as pieces:
            begun = (await anext(pieces)).text
            # These three start together, while another job is running.
            later = [
                engine.submit(job(QUESTIONS[i], row, max_tokens=40))
                for i, row in ((1, None), (1, foreign), (2, ADAPTERS[1]))
            ]
            others = await asyncio.gather(*map(text_of, later), return_exceptions=True)
            return ["".join([begun, *[piece.text async for piece in pieces]]), *others]

    first, second, refused, third = run(scenario)
    assert [first, second, third] == expected
    assert isinstance(refused, LorifyError) and "base" in str(refused)


def test_an_owner_with_many_jobs_does_not_keep_others_waiting() -> None:
    async def scenario(engine: LocalEngine) -> list[str]:
        finished: list[str] = []

        async def answer(owner: str, max_tokens: int) -> None:
            await text_of(engine.submit(job(max_tokens=max_tokens, owner=owner)))
            finished.append(owner)

        many = [asyncio.create_task(answer("ann", 60)) for _ in range(4)]
        await until(lambda: engine.status().running > 0)
        few = [asyncio.create_task(answer("bob", 4)) for _ in range(3)]
        await asyncio.gather(*many, *few)
        return finished

    assert run(scenario, max_share=0.5, max_rows=2)[:3] == ["bob"] * 3


def test_the_owner_who_got_fewest_tokens_is_next() -> None:
    async def scenario(engine: LocalEngine) -> list[str]:
        finished: list[str] = []

        async def answer(owner: str, max_tokens: int) -> None:
            await text_of(engine.submit(job(max_tokens=max_tokens, owner=owner)))
            finished.append(owner)

        order = [("ann", 40), ("ann", 4), ("ann", 4), ("bob", 4), ("bob", 4)]
        await asyncio.gather(*(answer(*one) for one in order))
        return finished

    assert run(scenario, max_rows=1) == ["ann", "bob", "bob", "ann", "ann"]


def test_one_owner_cannot_fill_the_queue() -> None:
    async def scenario(engine: LocalEngine) -> None:
        streams = [engine.submit(job(max_tokens=60, owner="ann")) for _ in range(3)]
        with pytest.raises(BusyError, match="of your requests are waiting"):
            engine.submit(job(owner="ann"))
        streams += [engine.submit(job(owner="bob"))]
        assert await text_of(streams[-1])

    run(scenario, max_share=0.5, max_rows=2, max_waiting=4)


def test_rows_that_wait_for_other_owners_give_the_same_answers() -> None:
    async def scenario(engine: LocalEngine) -> list[str]:
        many = [job(question, adapter, max_tokens=30, owner="eve") for question in QUESTIONS for adapter in ADAPTERS]
        few = [job(QUESTIONS[1], ADAPTERS[0], max_tokens=30, owner=owner) for owner in ("ann", "bob")]
        return await asyncio.gather(*[text_of(engine.submit(one)) for one in (*many, *few)])

    asked = [(question, adapter) for question in QUESTIONS for adapter in ADAPTERS] + [(QUESTIONS[1], ADAPTERS[0])] * 2
    assert run(scenario, max_share=0.9) == [
        MODEL.ask(question, adapter, max_new_tokens=30) for question, adapter in asked
    ]


def test_the_first_answer_is_decoded_like_later_ones() -> None:
    base = tiny_base()
    assert not base.decoding_session.is_due
    asyncio.run(LocalEngine(base).drain(1))
    assert base.decoding_session.is_due  # a session that opens within an answer rounds its tokens in two ways
