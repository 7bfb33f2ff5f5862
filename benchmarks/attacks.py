"""Attacks on a server by single clients: does it stay up, quick for others, and within its memory?

    python benchmarks/attacks.py
    python benchmarks/attacks.py --only headers --only uploads

`lorify serve` runs in a process of its own with its default limits and three keys; above the memory limit it is killed,
as a container would be. Each attack is one client at its worst, in a process of its own; with `--excluded` that runs
only when nothing else wants to, so that its own work does not count. Meanwhile another client asks for /health, each
time on a new connection, and afterwards the memory is read again. Then a request on a kept connection is compared with
one on a new connection. `fairness.py` measures what attackers take from the answers of others.
"""

import argparse
import socket
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from attack_target import Attack, Target, answers, at_once, chat, start_attack
from kills import Server
from server_watch import MEGABYTE, Watch, memory_bytes

from lorify.base.files.locate import DEFAULT_BASE
from lorify.serving.storage.keys import create_key

HEALTH_SECONDS = 0.5
SETTLE_SECONDS = 12
"""Time after an attack until the memory is read: that of `header_seconds` and a little more."""
ATTACK_SECONDS = 120
"""Attacks that take longer are ended and count as failed."""
CONNECTION_PAUSE_SECONDS = 0.05
DOCUMENTED = {503, 504, 507}
"""Statuses of 500 and above that the documentation names."""


def huge_chats(target: Target) -> None:
    content = chat(target, "word " * (29 * MEGABYTE // 5))
    at_once(6, lambda: target.post("/v1/chat/completions", content))


def largest_chats(target: Target) -> None:
    for text in ("word ", "\N{GRINNING FACE}", "a\n", " "):
        content = chat(target, text * (80_000 // len(text)), max_tokens=1)
        at_once(8, lambda content=content: target.post("/v1/chat/completions", content))


def token_ids(target: Target) -> None:
    for number in (6_000_000, 120_000):
        content = b'{"model": MODEL, "prompt": [' + b"1," * number + b"1]}"
        at_once(4, lambda content=content: target.post("/v1/completions", content))


def hostile_json(target: Target) -> None:
    for path, size in (("/v1/chat/completions", 900_000), ("/v1/adapters", 30 * MEGABYTE)):
        for item in (b"{},", b"[],", b'"",', b"1,", b'{"a":1},'):
            field_name = b"messages" if "chat" in path else b"documents"
            content = b'{"model": "m", "' + field_name + b'": [' + item * (size // len(item)) + b"1]}"
            at_once(2, lambda content=content, path=path: target.post(path, content))


def without_key(target: Target) -> None:
    content = b'{"messages": [' + b'{"a": [1, 2]},' * (2 * MEGABYTE) + b"1]}"
    for path in ("/v1/chat/completions", "/v1/adapters", "/v1/nothing"):
        at_once(4, lambda path=path: target.post(path, content, None))


def half_bodies(target: Target) -> None:
    part = b" " * (30 * MEGABYTE)
    opened: list[socket.socket] = []
    for name in (None, "eve"):
        at_once(
            25, lambda name=name: opened.append(target.connect(target.head("/v1/adapters", 31 * MEGABYTE, name) + part))
        )
    time.sleep(3)
    for connection in opened:
        connection.close()


def unfinished_headers(target: Target) -> None:
    opened = [target.connect(b"GET /health HTTP/1.1\r\nHost: local") for _ in range(300)]
    opened += [target.connect(b"") for _ in range(300)]
    time.sleep(3)
    for connection in opened:
        connection.close()


def long_texts(target: Target) -> None:
    for text in ("a\\n", "word ", "\\\\n", "\\u65e5"):
        content = b'{"text": "' + text.encode() * (30 * MEGABYTE // len(text)) + b'"}'
        at_once(4, lambda content=content: target.post("/v1/adapters", content))


def slow_uploads(target: Target) -> None:
    page = b"<div>" * 100_000
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.html"\r\n\r\n' + page + b"\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {target.keys['eve']}", "Content-Type": "multipart/form-data; boundary=x"}

    def upload() -> None:
        response = httpx2.post(f"{target.url}/v1/adapters", content=form, headers=headers, timeout=300)
        target.statuses[response.status_code] += 1

    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(upload) for _ in range(16)]
        time.sleep(1)
        others = target.post("/v1/adapters", b'{"text": "The mill opens at nine.", "name": "mill"}', "ann")
        if others != 201:
            raise RuntimeError(f"another key's document got status {others} beside sixteen slow uploads")
        for one in uploads:
            one.result()


def slow_readers(target: Target) -> None:
    body = chat(target, "Tell me a long story.", max_tokens=200, stream=True)
    opened = [target.connect(target.head("/v1/chat/completions", len(body)) + body) for _ in range(40)]
    time.sleep(5)
    for connection in opened:
        connection.close()


ATTACKS: dict[str, Attack] = {
    "six chats of 29 MB": huge_chats,
    "the largest chats allowed": largest_chats,
    "millions of token ids": token_ids,
    "hostile JSON": hostile_json,
    "30 MB without a key": without_key,
    "50 half-sent bodies of 31 MB": half_bodies,
    "600 unfinished headers": unfinished_headers,
    "documents of 30 MB": long_texts,
    "sixteen slow uploads": slow_uploads,
    "40 streams that nobody reads": slow_readers,
}


def attack(name: str, server: Server, target: Target, *, idle: bool) -> bool:
    """Run one attack and print its line; whether the server held."""
    before = memory_bytes(server)
    with Watch(server) as watch:
        statuses = answers(*start_attack(ATTACKS[name], target, idle=idle), ATTACK_SECONDS)
    time.sleep(SETTLE_SECONDS)
    alive = server.process.poll() is None
    after = memory_bytes(server) if alive else 0
    known = Counter() if isinstance(statuses, str) else statuses
    undocumented = [status for status in known if status >= 500 and status not in DOCUMENTED]
    problems = [
        *(["it ended"] if not alive else []),
        *(["the attack failed"] if isinstance(statuses, str) else []),
        *(f"status {status}" for status in undocumented),
        *(["slow for others"] if watch.slowest > HEALTH_SECONDS else []),
        *(["memory kept"] if after > 1.1 * before else []),
    ]
    shown = ", ".join(f"{count} x {status or 'closed'}" for status, count in sorted(known.items()))
    print(
        f"{name:<30}{watch.slowest * 1000:>9.0f}{before / MEGABYTE:>9.0f}{watch.peak / MEGABYTE:>9.0f}"
        f"{after / MEGABYTE:>9.0f}  {'; '.join(problems) or 'held':<32}  "
        f"{statuses if isinstance(statuses, str) else shown}",
        flush=True,
    )
    return not problems


def connection_seconds(url: str, *, kept: bool) -> float:
    """Median time of /health on a kept connection, or on a new one each time; below the rate of requests."""
    times = []
    headers = {} if kept else {"Connection": "close"}
    with httpx2.Client(base_url=url, verify=False) as client:  # loading certificates takes 50 ms for each client
        for _ in range(60):
            started = time.perf_counter()
            client.get("/health", headers=headers).raise_for_status()
            times.append(time.perf_counter() - started)
            time.sleep(CONNECTION_PAUSE_SECONDS)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Attack a server as single clients can, and see what others notice.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--only", action="append", default=[], help="attacks whose name contains this; can be repeated")
    parser.add_argument("--excluded", action="store_true", help="the attacker only gets idle time")
    options = parser.parse_args()
    chosen = [name for name in ATTACKS if not options.only or any(word in name for word in options.only)]
    with tempfile.TemporaryDirectory() as folder:
        keys = {name: create_key(Path(folder) / "keys.json", name) for name in ("ann", "eve", "bob")}
        server, target = start(options.base, Path(folder), keys)
        try:
            with Watch(server) as idle:
                time.sleep(3)
            print(f"/health of an idle server, slowest: {idle.slowest * 1000:.0f} ms\n")
            print(f"{'attack':<30}{'/health':>9}{'before':>9}{'peak':>9}{'after':>9}  {'':<32}  statuses")
            print(f"{'':<30}{'ms, max':>9}{'MB':>9}{'MB':>9}{'MB':>9}")
            held = []
            for name in chosen:
                if server.process.poll() is not None:
                    server, target = start(options.base, Path(folder), keys)
                held.append(attack(name, server, target, idle=options.excluded))
            if server.process.poll() is None:
                kept, new = (connection_seconds(server.url, kept=kept) for kept in (True, False))
                print(f"/health on a kept connection {kept * 1000:.1f} ms, on a new one {new * 1000:.1f} ms")
        finally:
            server.kill()
    raise SystemExit(0 if all(held) else 1)


def start(base: str, folder: Path, keys: dict[str, str]) -> tuple[Server, Target]:
    """Start a server and let it load what stays in memory, which the first answer and the first upload do."""
    server = Server(base, folder / "store", "--keys", f"{folder}/keys.json")
    target = Target(server.url, keys)
    target.post("/v1/chat/completions", chat(target, "Hello", max_tokens=4))
    target.post("/v1/adapters", b'{"text": "A red boat lies in the harbour.", "name": "boat"}')
    return server, target


if __name__ == "__main__":
    main()
