"""Jobs of a tiny model, and engines that run them."""

import asyncio

from serving.tiny_lorify import tiny_adapters, tiny_lorify

from lorify.adapters import AdapterLike, AdapterStack
from lorify.answering.plan import Planner, Query, plan_as_requested
from lorify.base.decoding.sampling import GenerationOptions
from lorify.serving.engines.jobs import AnswerStream, Job, Piece
from lorify.serving.engines.local import EngineLimits, LocalEngine

MODEL = tiny_lorify()
ADAPTERS = tiny_adapters(MODEL)
QUESTIONS = ("What is it?", "Who keeps the bees at the old mill?", "Where?", "Why is the boat red, and whose?", "How?")


def job(
    asked: str = "What is it?", adapter: AdapterLike = None, *, max_tokens: int = 12, seed: int | None = None, **extra
) -> Job:
    """A job; with a seed it samples."""
    sampling = {} if seed is None else {"temperature": 1.0, "top_p": 0.95, "seed": seed}
    request = MODEL.answerer.request(Query(asked, AdapterStack.of(adapter)))
    return Job(request, GenerationOptions(max_tokens, **sampling), trim=True, **extra)


async def pieces_of(stream: AnswerStream) -> list[Piece]:
    async with stream as pieces:
        return [piece async for piece in pieces]


async def text_of(stream: AnswerStream) -> str:
    return "".join(piece.text for piece in await pieces_of(stream))


def run(scenario, plan: Planner = plan_as_requested, max_share: float = 1.0, **limits):
    """Run `scenario(engine)` in a new event loop."""

    async def main():
        engine = LocalEngine(MODEL.base, EngineLimits(**limits), plan, max_share)
        try:
            return await asyncio.wait_for(scenario(engine), 600)
        finally:
            await engine.drain(0)

    return asyncio.run(main())
