"""A server under load: many clients, each with a document of its own, every answer checked for another client's facts.

    python benchmarks/serving.py
    python benchmarks/serving.py --clients 64 --seconds 300

`lorify serve` runs in a process of its own with its default limits and a key for each client. The same clients ask
with and without their adapters, in turns, in one run; the ratios of the throughputs are what to read. A question for
words of the document is answered with these, without decoding; a request is answered by the base with the adapter.
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
    name: str


@dataclass
class Tally:
    """What came out of all turns of one kind."""

    answers: int = 0
    tokens: int = 0
    seconds: float = 0.0
    exact: int = 0
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """A kind of turn: what is asked of a station, and whether with the adapter."""

    asked: str
    with_adapters: bool


KINDS = {
    "quoted": Kind("What is the access code of {}?", with_adapters=True),
    "written": Kind("Tell me the access code of {}.", with_adapters=True),
    "without": Kind("Tell me the access code of {}.", with_adapters=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput with and without adapters, and whether answers mix.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--clients", type=int, default=64, help="clients, each with a document of its own")
    parser.add_argument("--seconds", type=float, default=60, help="time for each kind of question")
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

    tallies = {name: Tally() for name in KINDS}
    for kind in KINDS.values():
        await turn(clients, Tally(), kind, seconds=2)  # warms up
    memory = [megabytes(server)]
    turns = max(1, round(seconds / TURN_SECONDS))
    for _ in range(turns):
        for name, tally in tallies.items():
            await turn(clients, tally, KINDS[name], seconds=seconds / turns)
            memory.append(megabytes(server))
    for client in clients:
        await client.http.aclose()
    report(tallies, memory)


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
        clients.append(Client(http, model, str(code), name))
    return clients


async def turn(clients: list[Client], tally: Tally, kind: Kind, *, seconds: float) -> None:
    """All clients ask for so long, each again as soon as it is answered; the last answers are waited for."""
    codes = {client.code for client in clients}
    started = time.perf_counter()

    async def ask_on(client: Client) -> None:
        while time.perf_counter() - started < seconds:
            try:
                text, num_tokens = await ask(client, kind)
            except httpx2.HTTPError as error:
                tally.errors.append(repr(error))
                continue
            tally.answers += 1
            tally.tokens += num_tokens
            tally.exact += client.code in text
            tally.foreign += [code for code in codes - {client.code} if code in text]

    await asyncio.gather(*map(ask_on, clients))
    tally.seconds += time.perf_counter() - started


async def ask(client: Client, kind: Kind) -> tuple[str, int]:
    body = {
        "model": client.model if kind.with_adapters else client.model.rpartition(":")[0],
        "messages": [{"role": "user", "content": kind.asked.format(client.name)}],
        "max_tokens": ANSWER_TOKENS,
    }
    answer = (await client.http.post("/v1/chat/completions", json=body)).raise_for_status().json()
    return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]


def report(tallies: dict[str, Tally], memory: list[float]) -> None:
    print(f"\n{'':<16}{'answers':>9}{'tokens/s':>10}{'answers/s':>11}{'own code':>10}{'foreign':>9}{'errors':>8}")
    for name, tally in tallies.items():
        print(
            f"{name:<16}{tally.answers:>9}{tally.tokens / tally.seconds:>10.1f}{tally.answers / tally.seconds:>11.2f}"
            f"{tally.exact / max(1, tally.answers):>10.0%}{len(tally.foreign):>9}{len(tally.errors):>8}"
        )
    without = tallies["without"]
    for name in ("quoted", "written"):
        tally = tallies[name]
        tokens = tally.tokens / tally.seconds / (without.tokens / without.seconds)
        answers = tally.answers / tally.seconds / (without.answers / without.seconds)
        print(f"throughput {name} / without: {tokens:.2f} (tokens), {answers:.2f} (answers)")
    print(f"the server's memory after each turn, MB: {', '.join(f'{value:.0f}' for value in memory)}")


def megabytes(server: Server) -> float:
    """What the server holds in memory now."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
