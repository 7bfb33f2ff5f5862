"""A server killed at random moments under load: is every adapter that it acknowledged there after the restart?

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 100

Clients post documents with planted codes, ask for them, add documents to their adapters and delete some, until the
server is killed (SIGKILL); then it is started again on the same store. Every change that was acknowledged must be
there, every deletion stay, no file be left that belongs to no adapter, and what is asked again be answered as before.
One question is asked at a time, before and after: in bfloat16 a token that is about as likely as another one may
change with what else is in its batch, which is no loss.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from lorify.base.files.locate import DEFAULT_BASE

CLIENTS = 4
ASKED_AFTER_EACH_KILL = 6
WAIT_SECONDS = 1800
"""Limit on any single wait: on a busy machine a start or an answer takes minutes; a longer wait is a hang."""


@dataclass
class Kept:
    """An acknowledged adapter: its question, and the answer it gave, None until it was asked."""

    question: str
    answer: str | None = None


@dataclass
class Promises:
    """What the server acknowledged; whatever was on its way when it was killed may be either way."""

    kept: dict[str, Kept] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    acknowledged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)


class Server:
    """`lorify serve` in a process of its own."""

    def __init__(self, base: str, store: Path, *options: str) -> None:
        command = [sys.executable, "-m", "lorify", "serve", "--base", base, "--store", str(store), "--port", "0"]
        command += options
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout
        started, lines = time.monotonic(), []
        for line in self.process.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line:
                address = line.split("http://127.0.0.1:")[1]
                self.url = f"http://127.0.0.1:{''.join(c for c in address.split()[0] if c.isdigit())}"
                break
        else:
            raise SystemExit("the server did not start:\n" + "".join(lines))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        while time.monotonic() - started < WAIT_SECONDS:
            try:
                if httpx2.get(f"{self.url}/health", timeout=WAIT_SECONDS).is_success:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise SystemExit("the server is not healthy")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a server at random moments; count what it lost.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--kills", type=int, default=20, help="how often it is killed")
    options = parser.parse_args()
    chance, promises = random.Random(0), Promises()
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        server = Server(options.base, store)
        for number in range(1, options.kills + 1):
            load(server, promises, changes=chance.randrange(8), seconds=chance.uniform(0.2, 3.0), seed=number)
            server = Server(options.base, store)
            lost += check(server, store, promises, chance, asked=ASKED_AFTER_EACH_KILL)
            print(
                f"kill {number}: {promises.acknowledged} acknowledged, {len(promises.kept)} kept, {len(lost)} wrong",
                flush=True,
            )
        lost += check(server, store, promises, chance, asked=len(promises.kept))
        server.kill()
    print(f"\n{options.kills} kills, {promises.acknowledged} acknowledged changes, {len(promises.kept)} adapters left")
    print(f"lost, left over or answered differently: {len(lost)}")
    for line in lost:
        print(f"  {line}")
    raise SystemExit(1 if lost else 0)


def load(server: Server, promises: Promises, *, changes: int, seconds: float, seed: int) -> None:
    """Clients at work until the server has acknowledged so many changes, and is killed so many seconds later.

    A time alone is not enough: a busy machine acknowledges nothing in it.
    """
    wanted, limit = promises.acknowledged + changes, time.monotonic() + WAIT_SECONDS
    threads = [
        threading.Thread(
            target=work, args=(server.url, promises, random.Random(f"{seed} {client}"), f"{seed}-{client}")
        )
        for client in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    while promises.acknowledged < wanted and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()


def work(url: str, promises: Promises, chance: random.Random, name: str) -> None:
    """Post, ask, change and delete until the connection breaks."""
    number = 0
    with httpx2.Client(base_url=url, timeout=WAIT_SECONDS) as client:
        try:
            while True:
                number += 1
                station = f"Station {name}-{number}"
                text = (
                    f"{station} is run by the county. The access code of {station} is {chance.randrange(10**5, 10**6)}."
                )
                adapter_id = (
                    client.post("/v1/adapters", json={"text": text, "name": station}).raise_for_status().json()["id"]
                )
                kept = Kept(f"What is the access code of {station}?")
                acknowledge(promises, adapter_id, kept)
                with promises.asking:
                    kept.answer = ask(client, adapter_id, kept.question)
                if chance.random() < 0.3:
                    give_up(promises, adapter_id)
                    note = {"text": f"{station} closes at {chance.randrange(1, 12)} in the evening.", "name": "note"}
                    response = client.patch(f"/v1/adapters/{adapter_id}", json={"add": [note]}).raise_for_status()
                    acknowledge(promises, response.json()["id"], Kept(kept.question), instead_of=adapter_id)
                elif chance.random() < 0.4:
                    give_up(promises, adapter_id)
                    client.delete(f"/v1/adapters/{adapter_id}").raise_for_status()
                    acknowledge(promises, None, None, instead_of=adapter_id)
        except httpx2.TransportError:
            return


def acknowledge(promises: Promises, adapter_id: str | None, kept: Kept | None, instead_of: str | None = None) -> None:
    with promises.lock:
        promises.acknowledged += 1
        if instead_of is not None:
            promises.gone.add(instead_of)
        if adapter_id is not None and kept is not None:
            promises.kept[adapter_id] = kept


def give_up(promises: Promises, id: str) -> None:
    """From now on until it is acknowledged, the adapter may be there or not."""
    with promises.lock:
        del promises.kept[id]


def ask(client: httpx2.Client, id: str, question: str) -> str:
    body = {
        "model": client.get(f"/v1/adapters/{id}").raise_for_status().json()["model"],
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 8,
    }
    answer = client.post("/v1/chat/completions", json=body).raise_for_status().json()
    return answer["choices"][0]["message"]["content"]


def check(server: Server, store: Path, promises: Promises, chance: random.Random, *, asked: int) -> list[str]:
    """What is wrong after a restart, in words."""
    wrong = []
    with httpx2.Client(base_url=server.url, timeout=WAIT_SECONDS) as client:
        present = {adapter["id"] for adapter in client.get("/v1/adapters").raise_for_status().json()["data"]}
        wrong += [f"adapter {id} was acknowledged and is gone" for id in promises.kept.keys() - present]
        wrong += [f"adapter {id} was acknowledged as deleted and is there" for id in promises.gone & present]
        # Made, or not yet deleted, just before the kill, and not acknowledged: from here on they count as kept.
        for id in present - promises.kept.keys():
            name = client.get(f"/v1/adapters/{id}").raise_for_status().json()["documents"][0]["name"]
            promises.kept[id] = Kept(f"What is the access code of {name}?")
        folders = {path.name for path in (store / "adapters").iterdir()}
        wrong += [f"folder {name} belongs to no adapter" for name in folders - present]
        wrong += [f"file {path} was left on its way" for path in (store / "incoming").iterdir()]
        for id in chance.sample(
            sorted(promises.kept.keys() & present), min(asked, len(promises.kept.keys() & present))
        ):
            kept = promises.kept[id]
            answer = ask(client, id, kept.question)
            if kept.answer is not None and answer != kept.answer:
                wrong.append(f"adapter {id} answered {kept.answer!r} before and {answer!r} now")
            kept.answer = answer
    return wrong


if __name__ == "__main__":
    main()
