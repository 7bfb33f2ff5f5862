"""The local engine: long prompts are processed in pieces, between the tokens of running answers."""

import asyncio
import math

import pytest
from serving.engines.local_jobs import ADAPTERS, MODEL, QUESTIONS, job, run, text_of
from serving.waiting import until

from lorify.serving.engines.local import LocalEngine

LONG_PROMPT = "Who keeps the bees? " * 15
PIECE = 8


def num_pieces() -> int:
    return math.ceil(job(LONG_PROMPT).num_prompt_tokens / PIECE)


@pytest.mark.parametrize("owners", [("ann", "ann"), ("ann", "bob")])
def test_answers_go_on_while_a_long_prompt_is_processed(owners: tuple[str, str]) -> None:
    async def scenario(engine: LocalEngine) -> tuple[int, str]:
        async with engine.submit(job(max_tokens=400, owner=owners[0])) as pieces:
            await anext(pieces)
            long = asyncio.create_task(text_of(engine.submit(job(LONG_PROMPT, max_tokens=1, owner=owners[1]))))
            num_tokens = 0
            while not long.done():
                num_tokens += (await anext(pieces)).num_tokens
        return num_tokens, await long

    num_tokens, answer = run(scenario, max_prefill_tokens=PIECE)
    assert num_tokens >= num_pieces() - 2, "a token after each piece"
    assert answer == MODEL.ask(LONG_PROMPT, max_new_tokens=1)


def test_a_short_prompt_of_another_owner_overtakes_a_long_one() -> None:
    async def scenario(engine: LocalEngine) -> bool:
        long = asyncio.create_task(text_of(engine.submit(job(LONG_PROMPT, max_tokens=1, owner="ann"))))
        await until(lambda: engine.status().running > 0)
        await text_of(engine.submit(job(max_tokens=1, owner="bob")))
        was_done = long.done()
        await long
        return was_done

    assert not run(scenario, max_prefill_tokens=1)


def test_answers_to_one_long_prompt_share_its_processing() -> None:
    seen: list[tuple[int, ...]] = []
    hook = MODEL.base.model.register_forward_pre_hook(
        lambda _model, _args, options: seen.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    one = job(LONG_PROMPT, ADAPTERS[0], max_tokens=5)

    async def scenario(engine: LocalEngine) -> list[str]:
        return await asyncio.gather(*[text_of(engine.submit(one)) for _ in range(4)])

    try:
        answers = run(scenario, max_prefill_tokens=PIECE)
    finally:
        hook.remove()
    assert answers == [MODEL.ask(LONG_PROMPT, ADAPTERS[0], max_new_tokens=5)] * 4
    assert sum(tokens for _, tokens in seen) == one.num_prompt_tokens


def test_a_long_prompt_that_is_no_longer_wanted_is_dropped() -> None:
    async def scenario(engine: LocalEngine) -> None:
        stream = engine.submit(job(LONG_PROMPT, max_tokens=1))
        await until(lambda: engine.status().running == 1)
        del stream
        assert await text_of(engine.submit(job(max_tokens=2))) == MODEL.ask(QUESTIONS[0], max_new_tokens=2)
        await until(lambda: engine.status().running == 0)
        assert engine.status().prompt_tokens == job().num_prompt_tokens, "the dropped prompt was never complete"

    run(scenario, max_prefill_tokens=1)


def test_answers_go_on_while_new_prompts_keep_coming() -> None:
    async def scenario(engine: LocalEngine) -> int:
        first = asyncio.create_task(text_of(engine.submit(job(max_tokens=20))))
        await until(lambda: engine.status().running > 0)
        num_others = 0
        while not first.done():
            await text_of(engine.submit(job(max_tokens=1)))
            num_others += 1
        return num_others

    assert run(scenario, max_rows=4) <= 25
