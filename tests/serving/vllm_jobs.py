"""Jobs for the vLLM engine and a loop that runs them against a (fake) vLLM server."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from serving.tiny_lorify import tiny_adapters, tiny_lorify

from lorify.adapters import Adapter, AdapterLike, AdapterStack
from lorify.answering.plan import Planner, Query, plan_as_requested
from lorify.base.decoding.sampling import GenerationOptions
from lorify.serving.engines.jobs import Job
from lorify.serving.engines.vllm import VllmEngine, VllmLimits
from lorify.serving.engines.vllm_adapters import content_name, fold

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
