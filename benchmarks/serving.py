"""A server under load: many clients, each with a document of its own, every answer checked for another client's facts.

    python benchmarks/serving.py
    python benchmarks/serving.py --clients 64 --seconds 300

`lorify serve` runs in a process of its own with its default limits and a key for each client. The same clients ask the
same questions with and without their adapters, in turns, in one run; the ratio of the two throughputs is what to read.
Each document holds planted facts that no other has, so that an answer from another client's document gives itself away.
"""

import argparse
import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from kills import Server

from lorify.base.files.locate import DEFAULT_BASE
from lorify.serving.storage.keys import create_key

TURN_SECONDS = 15.0
ANSWER_TOKENS = 7  # a code takes 7, so that both kinds of answers are as long
ANSWER_SECONDS = 300


@dataclass(frozen=True)
class Client:
    """One client: its connection, its adapter's model id, its planted fact, and what it asks."""

    http: httpx2.AsyncClient
    model: str
    code: str
    question: str


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
    parser.add_argument("--seconds", type=float, default=60, help="time with adapters; as long without")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = [create_key(Path(folder) / "keys.json", f"client {i}") for i in range(options.clients)]
        server = Server(options.base, Path(folder) / "store", "--keys", f"{folder}/keys.json")
        try:
            asyncio.run(measure(server, keys, options.seconds))
        finally:
            server.kill()


async def measure(server: Server, keys: list[str], seconds: float) -> None:
    started = time.perf_counter()
    clients = await make_clients(server.url, keys)
    took = time.perf_counter() - started
    print(f"{len(clients)} documents internalized and stored in {took:.1f} s, {took / len(clients) * 1000:.0f} ms each")

    kinds = {"with adapters": Tally(), "without": Tally()}
    await turn(clients, Tally(), with_adapters=True, seconds=2)  # warms up
    memory = [megabytes(server)]
    turns = max(1, round(seconds / TURN_SECONDS))
    for _ in range(turns):
        for name, tally in kinds.items():
            await turn(clients, tally, with_adapters=name == "with adapters", seconds=seconds / turns)
            memory.append(megabytes(server))
    for client in clients:
        await client.http.aclose()
    report(kinds, memory)


async def make_clients(url: str, keys: list[str]) -> list[Client]:
    rng = random.Random(0)
    codes = rng.sample(range(100_000, 1_000_000), len(keys))
    clients = []
    for index, (key, code) in enumerate(zip(keys, codes, strict=True)):
        name = f"Station {chr(65 + index % 26)}{index}"
        text = f"{name} is run by the county. The access code of {name} is {code}. {name} closes at noon on Sundays."
        http = httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_SECONDS)
        response = await http.post("/v1/adapters", json={"text": text, "name": name})
        model = response.raise_for_status().json()["model"]
        clients.append(Client(http, model, str(code), f"What is the access code of {name}?"))
    return clients


async def turn(clients: list[Client], tally: Tally, *, with_adapters: bool, seconds: float) -> None:
    """All clients ask for so long, each again as soon as it is answered; the last answers are waited for."""
    codes = {client.code for client in clients}
    started = time.perf_counter()

    async def ask_on(client: Client) -> None:
        while time.perf_counter() - started < seconds:
            try:
                text, num_tokens = await ask(client, with_adapters=with_adapters)
            except httpx2.HTTPError as error:
                tally.errors.append(repr(error))
                continue
            tally.answers += 1
            tally.tokens += num_tokens
            tally.exact += client.code in text
            tally.foreign += [code for code in codes - {client.code} if code in text]

    await asyncio.gather(*map(ask_on, clients))
    tally.seconds += time.perf_counter() - started


async def ask(client: Client, *, with_adapters: bool) -> tuple[str, int]:
    body = {
        "model": client.model if with_adapters else client.model.rpartition(":")[0],
        "messages": [{"role": "user", "content": client.question}],
        "max_tokens": ANSWER_TOKENS,
    }
    answer = (await client.http.post("/v1/chat/completions", json=body)).raise_for_status().json()
    return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]


def report(kinds: dict[str, Tally], memory: list[float]) -> None:
    print(f"\n{'':<16}{'answers':>9}{'tokens/s':>10}{'answers/s':>11}{'own code':>10}{'foreign':>9}{'errors':>8}")
    for name, tally in kinds.items():
        print(
            f"{name:<16}{tally.answers:>9}{tally.tokens / tally.seconds:>10.1f}{tally.answers / tally.seconds:>11.2f}"
            f"{tally.exact / max(1, tally.answers):>10.0%}{len(tally.foreign):>9}{len(tally.errors):>8}"
        )
    adapted, bare = (tally.tokens / tally.seconds for tally in kinds.values())
    print(f"throughput with adapters / without: {adapted / bare:.2f} (tokens)")
    print(f"the server's memory after each turn, MB: {', '.join(f'{value:.0f}' for value in memory)}")


def megabytes(server: Server) -> float:
    """What the server holds in memory now."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
