"""A server under load: many clients, each with a document of its own, every answer checked for another client's facts.

    python benchmarks/serving.py
    python benchmarks/serving.py --clients 64 --seconds 300

The same clients ask the same questions with and without their adapters, in turns, in one run on one server; the ratio
of the two throughputs is what to read. Each document holds planted facts that no other has, so that an answer from
another client's document gives itself away.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import lorify
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.files import DEFAULT_BASE
from lorify.contexts.documents import document_from_text
from lorify.errors import LorifyError
from lorify.serving.engine import EngineLimits, LocalEngine
from lorify.serving.jobs import Job
from lorify.serving.service import Service
from lorify.serving.settings import ServingSettings
from lorify.serving.store import AdapterStore

TURN_SECONDS = 15.0
ANSWER_TOKENS = 7  # a code takes 7, so that both kinds of answers are as long


@dataclass(frozen=True)
class Client:
    """One client: its document's adapter, its planted fact, and what it asks."""

    owner: str
    code: str
    question: str
    model: str


@dataclass
class Tally:
    """What came out of all turns of one kind."""

    answers: int = 0
    tokens: int = 0
    seconds: float = 0.0
    exact: int = 0
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput with and without adapters, and whether answers mix.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--clients", type=int, default=64, help="clients, each with a document of its own")
    parser.add_argument("--seconds", type=float, default=60, help="time of both kinds together")
    parser.add_argument("--rows", type=int, default=32, help="answers generated at a time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options, Path(folder)))


async def measure(options: argparse.Namespace, folder: Path) -> None:
    model = lorify.load(options.base)
    settings = ServingSettings(
        engine=EngineLimits(max_rows=options.rows, max_waiting=2 * options.clients, timeout_seconds=3600),
        max_internalizing=options.clients + 1,
    )
    store = AdapterStore(folder, 100 << 30, 4 << 30)
    service = Service(model, LocalEngine(model.base, settings.engine, model.focus), store, settings=settings)
    started = time.perf_counter()
    clients = await make_clients(service, options.clients)
    took = time.perf_counter() - started
    print(f"{len(clients)} documents internalized and stored in {took:.1f} s, {took / len(clients) * 1000:.0f} ms each")

    kinds = {"with adapters": Tally(), "without": Tally()}
    await turn(service, clients, Tally(), with_adapters=True, seconds=2)  # warms up
    memory = [peak_megabytes()]
    turns = max(2, 2 * round(options.seconds / TURN_SECONDS / 2))
    for number in range(turns):
        name = list(kinds)[number % 2]
        await turn(
            service, clients, kinds[name], with_adapters=name == "with adapters", seconds=options.seconds / turns
        )
        memory.append(peak_megabytes())
    await service.close()
    report(kinds, memory)


async def make_clients(service: Service, number: int) -> list[Client]:
    rng = random.Random(0)
    codes = rng.sample(range(100_000, 1_000_000), number)
    clients = []
    for index, code in enumerate(codes):
        name = f"Station {chr(65 + index % 26)}{index}"
        text = f"{name} is run by the county. The access code of {name} is {code}. {name} closes at noon on Sundays."
        made = await service.internalize([document_from_text(text, name)], f"client {index}")
        model_id = f"{service.base_id}:{made.stored.id}"
        clients.append(Client(f"client {index}", str(code), f"What is the access code of {name}?", model_id))
    return clients


async def turn(service: Service, clients: list[Client], tally: Tally, *, with_adapters: bool, seconds: float) -> None:
    """All clients ask for so long, each again as soon as it is answered; the last answers are waited for."""
    codes = {client.code for client in clients}
    started = time.perf_counter()

    async def ask_on(client: Client) -> None:
        while time.perf_counter() - started < seconds:
            try:
                text, num_tokens = await ask(service, client, with_adapters=with_adapters)
            except LorifyError as error:
                tally.errors.append(str(error))
                continue
            tally.answers += 1
            tally.tokens += num_tokens
            tally.exact += client.code in text
            tally.foreign += [code for code in codes - {client.code} if code in text]

    await asyncio.gather(*map(ask_on, clients))
    tally.seconds += time.perf_counter() - started


async def ask(service: Service, client: Client, *, with_adapters: bool) -> tuple[str, int]:
    row = None
    if with_adapters:
        row = await service.adapter_row(client.model, [], client.question, client.owner, only_if_relevant=False)
    prompt = build_prompt_ids(service.model.base.tokenizer, question_messages(client.question))
    async with service.engine.submit(Job(tuple(prompt), ANSWER_TOKENS, row, client.question, trim=True)) as pieces:
        collected = [piece async for piece in pieces]
    return "".join(piece.text for piece in collected), sum(piece.num_tokens for piece in collected)


def report(kinds: dict[str, Tally], memory: list[float]) -> None:
    print(f"\n{'':<16}{'answers':>9}{'tokens/s':>10}{'answers/s':>11}{'own code':>10}{'foreign':>9}{'errors':>8}")
    for name, tally in kinds.items():
        print(
            f"{name:<16}{tally.answers:>9}{tally.tokens / tally.seconds:>10.1f}{tally.answers / tally.seconds:>11.2f}"
            f"{tally.exact / max(1, tally.answers):>10.0%}{len(tally.foreign):>9}{len(tally.errors):>8}"
        )
    adapted, bare = (tally.tokens / tally.seconds for tally in kinds.values())
    print(f"throughput with adapters / without: {adapted / bare:.2f} (tokens)")
    print(f"peak memory after each turn, MB: {', '.join(f'{value:.0f}' for value in memory)}")


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
