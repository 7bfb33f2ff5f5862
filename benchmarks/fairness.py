"""Fairness: the tokens that eight clients get beside one client with a key who does its worst, against those alone.

    python benchmarks/fairness.py
    python benchmarks/fairness.py --only "long prompts" --rounds 3 --seconds 30

`lorify serve` runs in a process of its own with its default limits and a key for each client. The eight clients ask
short questions, alone and beside the attacker in turns. The attacker runs in a process of its own, which gets
only idle time unless `--shared` is given, so that its own work does not count. Other load on the machine makes
turns differ: beside the ratio of each round there is that of the tokens for a second of the server's CPU time.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
from attack_target import Attack, Target, at_once, attacked, chat
from kills import Server
from server_watch import cpu_seconds

from lorify.base.files.locate import DEFAULT_BASE
from lorify.serving.storage.keys import create_key

OTHER_CLIENTS = 8
SETTLE_SECONDS = 3.0
LONG_PROMPT = "word " * 4000
STORY = "Tell me a long story."
PAGE = " ".join(f"The harbour number {i} has {i * 7} boats and a keeper named Ada{i}." for i in range(700))
NESTED = {
    "type": "object",
    "properties": {f"field_{i}": {"type": "array", "minItems": 50, "items": {"$ref": "#/$defs/a"}} for i in range(60)},
    "required": [f"field_{i}" for i in range(60)],
    "$defs": {"a": {"anyOf": [{"type": "string", "pattern": f"^({c}|b)*c{{1,40}}$"} for c in "adefghij"]}},
}


def repeat(number: int, call: Callable[[], object]) -> None:
    """Let `number` threads call again and again."""

    def go_on() -> None:
        while True:
            call()
            time.sleep(0.01)

    at_once(number, go_on)


def ask(target: Target, text: str, **options: object) -> None:
    content = chat(target, text, **options)
    repeat(40, lambda: target.post("/v1/chat/completions", content))


def long_prompts(target: Target) -> None:
    ask(target, LONG_PROMPT, max_tokens=1)


def long_contexts(target: Target) -> None:
    ask(target, LONG_PROMPT, max_tokens=3000, logit_bias={"2": -100})


def long_outputs(target: Target) -> None:
    ask(target, STORY, max_tokens=2000, n=16, temperature=1.0)


def costly_options(target: Target) -> None:
    biases = {str(token): 1.0 for token in range(1000, 2000)}
    ask(
        target, STORY, max_tokens=500, logit_bias=biases, logprobs=True, top_logprobs=20, temperature=1.0, top_p=0.99,
        presence_penalty=0.1, stop=["never" * 200] * 16,
    )  # fmt: skip


def hard_schemas(target: Target) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": NESTED}}
    ask(target, "Fill in the form.", max_tokens=1000, response_format=form, temperature=1.5)


def checked_answers(target: Target) -> None:
    content = json.loads(chat(target, "Who keeps the harbour number 12?", max_tokens=2, sources=True))
    content["model"] = target.adapter(PAGE)
    repeat(40, lambda: target.post("/v1/chat/completions", json.dumps(content).encode()))


def long_documents(target: Target) -> None:
    numbers = iter(range(10**9))

    def post() -> None:
        text = f"Page {next(numbers)}. {PAGE * 4}"
        target.post("/v1/adapters", json.dumps({"text": text, "name": "page"}).encode())

    repeat(16, post)


def slow_uploads(target: Target) -> None:
    files = {"file": ("a.html", b"<div>" * 100_000)}
    headers = {"Authorization": f"Bearer {target.keys['eve']}"}
    url = f"{target.url}/v1/adapters"
    repeat(16, lambda: httpx2.post(url, headers=headers, files=files, timeout=300, verify=False))


def many_connections(target: Target) -> None:
    def connect() -> None:
        opened = [target.connect(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20) for _ in range(20)]
        for connection in opened:
            connection.close()

    repeat(8, connect)


def cheap_requests(target: Target) -> None:
    line = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {target.keys['eve']}\r\n\r\n"

    def send() -> None:
        with target.connect(line.encode() * 20) as connection, suppress(OSError):
            num_answered = 0
            while num_answered < 20 and (part := connection.recv(1 << 16)):
                num_answered += part.count(b"HTTP/1.1 ")

    repeat(40, send)


def exports(target: Target) -> None:
    id = target.adapter(PAGE[:4000]).rpartition(":")[2]
    repeat(40, lambda: target.request("GET", f"/v1/adapters/{id}/export"))


ATTACKS: dict[str, Attack] = {
    "long prompts": long_prompts,
    "long prompts, long outputs": long_contexts,
    "n=16 long outputs": long_outputs,
    "biases, penalties, logprobs": costly_options,
    "hard schemas": hard_schemas,
    "answers with sources": checked_answers,
    "long documents": long_documents,
    "slow uploads": slow_uploads,
    "many connections": many_connections,
    "cheap requests": cheap_requests,
    "exports": exports,
}


def served_tokens(target: Target, server: Server, seconds: float, attack: Attack | None, *, idle: bool) -> list[float]:
    """Tokens that the eight clients get in a second, and in a second of the server's CPU time."""
    ended = threading.Event()
    counts = [0] * OTHER_CLIENTS

    def ask_on(i: int, content: bytes) -> None:
        headers = target.headers(f"client {i}")
        with httpx2.Client(base_url=target.url, timeout=300) as client:
            while not ended.is_set():
                with client.stream("POST", "/v1/chat/completions", content=content, headers=headers) as response:
                    response.raise_for_status()
                    for line in response.iter_lines():
                        if ended.is_set():
                            break
                        counts[i] += line.startswith("data: {")

    with attacked(attack, target, idle=idle), ThreadPoolExecutor(OTHER_CLIENTS) as pool:
        content = chat(target, "What is the capital of France?", max_tokens=16, stream=True, logit_bias={"2": -100})
        asking = [pool.submit(ask_on, i, content) for i in range(OTHER_CLIENTS)]
        time.sleep(SETTLE_SECONDS + (SETTLE_SECONDS if attack else 0))
        started, before, used = time.perf_counter(), sum(counts), cpu_seconds(server)
        time.sleep(seconds)
        took, tokens, used = time.perf_counter() - started, sum(counts) - before, cpu_seconds(server) - used
        ended.set()
        for one in asking:
            one.result()
    return [tokens / took, tokens / used]


def report(name: str, target: Target, server: Server, options: argparse.Namespace) -> None:
    rounds = []
    for _ in range(options.rounds):
        alone, beside = (
            served_tokens(target, server, options.seconds, attack, idle=not options.shared)
            for attack in (None, ATTACKS[name])
        )
        rounds.append((alone[0], beside[0], beside[0] / alone[0], beside[1] / alone[1]))
    alone, beside, ratio, by_cpu = zip(*rounds, strict=True)
    print(
        f"{name:<30}{statistics.median(alone):>8.1f}{statistics.median(beside):>9.1f}{statistics.median(ratio):>8.2f}"
        f"{f'{min(ratio):.2f} to {max(ratio):.2f}':>16}{statistics.median(by_cpu):>9.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Tokens of eight clients beside an attacker, against those alone.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--only", action="append", default=[], help="attacks whose name contains this; can be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="turns alone and beside the attacker")
    parser.add_argument("--seconds", type=float, default=20, help="length of a turn")
    parser.add_argument("--shared", action="store_true", help="the attacker's process competes with the server's")
    options = parser.parse_args()
    chosen = [name for name in ATTACKS if not options.only or any(word in name for word in options.only)]
    with tempfile.TemporaryDirectory() as folder:
        names = ["eve", *(f"client {i}" for i in range(OTHER_CLIENTS))]
        keys = {name: create_key(Path(folder) / "keys.json", name) for name in names}
        server = Server(options.base, Path(folder) / "store", "--keys", f"{folder}/keys.json")
        target = Target(server.url, keys)
        try:
            served_tokens(target, server, options.seconds, None, idle=True)  # warms up
            print(f"{'attack':<30}{'alone':>8}{'beside':>9}{'ratio':>8}{'rounds':>16}{'by CPU':>9}")
            for name in chosen:
                report(name, target, server, options)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
