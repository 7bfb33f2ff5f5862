"""Mutated requests to every route: does the server answer each, without an error of its own, within its memory?

    python benchmarks/fuzz_requests.py
    python benchmarks/fuzz_requests.py --first 2500 --requests 2500

Valid requests get wrong types, neutral and extreme values, missing, doubled and unknown fields, damaged bodies, other
encodings, headers, methods and parameters. Each is the same for a seed and a number, so that parts of a run can be
repeated. The server has a tiny random base and runs in a process of its own. Prints a table by route, and each failure
(a status of 500 or above, no answer within the time limit, an ended server, more memory); exits with status 1 if there
was one.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzz_documents import GROWTH, MEGABYTE, mutated, resident_bytes

WARM_UP_SHARE = 0.4
"""Share of the requests after which memory counts; before, new schemas and adapters fill caches, which are bounded."""
MEMORY_EVERY = 100
"""Number of requests between two looks at the server's memory."""
BASE = "tiny-llama"
CHAT = {
    "model": BASE,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who keeps bees?"}],
    "max_tokens": 2,
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
BODIES: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        CHAT,
        CHAT | {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0.7, "seed": 1, "n": 2},
        CHAT | {"stop": ["a"], "logprobs": True, "top_logprobs": 2, "logit_bias": {"5": 1}, "presence_penalty": 0.1},
        CHAT | {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        CHAT | {"tools": [TOOL], "tool_choice": "auto"},
        CHAT | {"adapters": [{"id": "ADAPTER", "scale": 0.5}], "sources": True, "not_stated": "no"},
    ],
    "/v1/completions": [{"model": BASE, "prompt": "The mill", "max_tokens": 2, "logprobs": 1, "stop": None}],
    "/v1/responses": [
        {"model": BASE, "input": "Who keeps bees?", "max_output_tokens": 2},
        {"model": BASE, "input": [{"role": "user", "content": "Hi"}], "instructions": "Be brief.", "stream": True},
    ],
    "/v1/adapters": [
        {"text": "Ada keeps bees. They like clover.", "name": "bees"},
        {"documents": [{"text": "The mill opens at nine.", "name": "a"}, {"text": "Bo rows.", "name": "b"}]},
        {"task": "Answer in capital letters."},
    ],
    "/v1/adapters/ADAPTER": [{"add": [{"text": "Bo rows.", "name": "bo"}], "remove": ["bees"]}],
    "/v1/embeddings": [{"model": BASE, "input": ["a"]}],
}
PATHS = (
    "/v1/models /v1/models/tiny-llama /v1/models/tiny-llama:ADAPTER /v1/adapters /v1/adapters/ADAPTER /v1/jobs "
    "/v1/jobs/ADAPTER /v1/adapters/ADAPTER/export /v1/adapters/ADAPTER/export?format=gguf /health /metrics "
    "/openapi.json / /page/app.js /page/../app.js /v1/%00 /v1/models/%ff /v1/audio/speech /nothing"
).split()
METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE")
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        "",
        [],
        {},
        0,
        -1,
        1,
        1.5,
        2**31,
        2**63,
        -(2**70),
        1e308,
        float("nan"),
        float("inf"),
        "0",
        "null",
    ),
    *(
        "a" * 3000,
        "\ud800",
        "\x00",
        "<|im_end|>",
        "é漢😀\u202e",
        "../../etc/passwd",
        "ADAPTER",
        [None],
        [[]],
        [{}],
        {"a": {}},
    ),
    *(
        list(range(300)),
        ["x"] * 100,
        {str(i): i for i in range(100)},
        {"type": "text"},
        [{"role": "user"}],
        "json_object",
    ),
)
NEW_FIELDS = (
    "n",
    "stream",
    "tools",
    "user",
    "temperature",
    "adapters",
    "response_format",
    "not_stated",
    "x",
    "",
    "__proto__",
)
HEADERS = ("Content-Type", "Accept", "Content-Encoding", "Authorization", "Origin", "Host", "Expect", "Range", "X-A")
HEADER_VALUES = (
    *("application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=", "gzip"),
    *(
        "*/*",
        "",
        "a" * 3000,
        "Bearer x",
        "é".encode("latin-1"),
        "http://evil.example",
        "100-continue",
        "bytes=0-1",
        "null",
    ),
)
ENCODINGS = (*["utf-8"] * 20, "utf-16", "utf-8-sig", "utf-32", "utf-7")
QUERIES = (
    "",
    "?check=true",
    "?check=",
    "?check=2",
    "?background=true",
    "?background=1&check=1",
    "?format=",
    "?a=%00&a=%zz",
)


@dataclass
class Sent:
    """A request to send, and the route that the table counts it under."""

    method: str
    path: str
    content: bytes
    headers: dict[str, str | bytes]
    route: str


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in inner for path in places(item, (*at, key)))]


def mutate_json(body: Any, rng: random.Random) -> Any:
    """Change a value of a body, take it away, or add a field."""
    body = copy.deepcopy(body)
    *parents, last = rng.choice(places(body)[1:])
    container = body
    for key in parents:
        container = container[key]
    kind = rng.random()
    if kind < 0.15:
        del container[last]
    elif kind < 0.25 and isinstance(container, dict):
        container[rng.choice(NEW_FIELDS)] = rng.choice(VALUES)
    elif kind < 0.3:
        container[last] = [container[last]] * rng.choice((1, 2, 100))
    elif kind < 0.33:
        for _ in range(rng.choice((5, 60))):
            container[last] = [container[last]] if rng.random() < 0.5 else {"a": container[last]}
    else:
        container[last] = rng.choice(VALUES)
    return body


def json_bytes(body: Any, rng: random.Random) -> bytes:
    text = json.dumps(body, ensure_ascii=rng.random() < 0.8)
    content = text.encode(rng.choice(ENCODINGS), "surrogatepass")
    kind = rng.random()
    if kind < 0.06:
        content = content[: rng.randrange(len(content) + 1)]
    elif kind < 0.12:
        at = rng.randrange(len(content))
        content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    elif kind < 0.14:
        content = content.replace(b"}", b"," + content[1:], 1)  # fields come twice
    elif kind < 0.15:
        content = content.replace(b'"', b"[" * 5000 + b'"', 1)
    return content


def form(rng: random.Random, seed: int, number: int) -> tuple[bytes, str]:
    """A form with a mutated document, which may itself be damaged."""
    _, data, suffix = mutated(seed, number)
    name = rng.choice((f"file{suffix}", "", "a" * 300, '"quoted".txt', "../x.txt", "é.txt"))
    field = rng.choice(("file", "file", "file", "files", "purpose", ""))
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
    ]
    content = b"".join(parts * rng.choice((1, 1, 2))) + b"--b--\r\n"
    if rng.random() < 0.2:
        content = content[: rng.randrange(len(content))]
    return content, "multipart/form-data; boundary=b"


def request_of(seed: int, number: int, adapter: str) -> Sent:
    """The request of a number."""
    rng = random.Random(f"{seed} {number}")
    headers: dict[str, str | bytes] = {"Content-Type": "application/json"}
    if rng.random() < 0.15:
        method, path, content = rng.choice(METHODS), rng.choice(PATHS), rng.choice((b"", b"{}", b"[]", b"\xff"))
    else:
        path = rng.choice(list(BODIES))
        method = "PATCH" if path.endswith("ADAPTER") else "POST"
        if "adapters" in path and rng.random() < 0.3:
            content, headers["Content-Type"] = form(rng, seed, number)
        else:
            body: Any = rng.choice(BODIES[path])
            for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
                body = mutate_json(body, rng) if body else body
            content = json_bytes(body, rng)
        path += rng.choice(QUERIES) if rng.random() < 0.3 else ""
        if rng.random() < 0.03:
            method = rng.choice(METHODS)
    for _ in range(rng.choice((*[0] * 12, 1, 2))):
        headers[rng.choice(HEADERS)] = rng.choice(HEADER_VALUES)
    route = path.partition("?")[0] if path.partition("?")[0] in BODIES else "other"
    sent_path = path.replace("ADAPTER", adapter) if rng.random() < 0.9 else path
    return Sent(method, sent_path, content, headers, route)


def serve(folder: Path) -> None:
    """Serve a tiny base, until the process is ended."""
    sys.path.remove(str(Path(__file__).parent))  # benchmarks/serving.py would be taken for the package of the tests
    from serving.running import serving
    from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
    from tiny import tiny_base

    base = tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))
    with serving(folder, model=model) as running:
        print(running.url, flush=True)
        sys.stdin.read()


def new_adapter(client: httpx2.Client) -> str:
    """The id of the adapter that requests name; it is made again when one has deleted or changed it."""
    return client.post("/v1/adapters", json=BODIES["/v1/adapters"][0]).json()["id"]


def send(client: httpx2.Client, sent: Sent, time_limit: float) -> str:
    """Send a request; return its status, or what came instead."""
    try:
        response = client.request(
            sent.method, sent.path, content=sent.content, headers=sent.headers, timeout=time_limit
        )
    except httpx2.TimeoutException:
        return "hang"
    except httpx2.TransportError as error:
        return f"no answer ({type(error).__name__})"
    except (httpx2.InvalidURL, ValueError):
        return "not sent"
    return str(response.status_code)


def is_failure(outcome: str) -> bool:
    return outcome == "hang" or outcome.startswith(("5", "no answer"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="time limit for a request")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with tempfile.TemporaryDirectory(prefix="lorify-fuzz-") as folder:
        command = [sys.executable, __file__, "--serve", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin and server.stdout
            url = server.stdout.readline().strip()
            if not url:
                raise SystemExit("the server did not start")
            failures = fuzz(url, server, options)
            server.stdin.close()
    print("\n".join(failures) or "no failure")
    sys.exit(bool(failures))


def fuzz(url: str, server: subprocess.Popen[str], options: argparse.Namespace) -> list[str]:
    """Send all requests, print the table, and return the failures."""
    outcomes, slowest = defaultdict(Counter), Counter[str]()
    failures: list[str] = []
    memory: list[int] = []
    with httpx2.Client(base_url=url) as client:
        for count in range(options.requests):
            if count % 100 == 0:
                adapter = new_adapter(client)
            number = options.first + count
            sent = request_of(options.seed, number, adapter)
            started = time.monotonic()
            outcome = send(client, sent, options.seconds)
            slowest[sent.route] = max(slowest[sent.route], round(1000 * (time.monotonic() - started)))
            outcomes[sent.route][outcome[0] + "xx" if outcome.isdigit() else outcome] += 1
            if is_failure(outcome):
                failures.append(f"request {number}: {outcome}: {sent.method} {sent.path} {sent.content[:300]!r}")
            if server.poll() is not None:
                return [*failures, f"the server ended with status {server.returncode} after request {number}"]
            if (count + 1) % MEMORY_EVERY == 0 or count + 1 == options.requests:
                memory.append(resident_bytes(server.pid))
                print(f"{count + 1} requests, {memory[-1] / MEGABYTE:.0f} MiB", file=sys.stderr, flush=True)
    for route, counts in sorted(outcomes.items()):
        listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        print(f"{route:<24}{counts.total():>6}  slowest {slowest[route]:>6} ms  {listed}")
    return failures + memory_failures(memory)


def memory_failures(memory: list[int]) -> list[str]:
    """Print how much memory the server had in the course of the run, and return the failure if it kept growing.

    Compared are the highest values of the first and the second half of what comes after the warm-up, as single requests
    move memory up and down.
    """
    print("memory, MiB:", " ".join(f"{each / MEGABYTE:.0f}" for each in memory[:: max(1, len(memory) // 20)]))
    counted = memory[int(WARM_UP_SHARE * len(memory)) :]
    half = len(counted) // 2
    if half == 0:
        print("too few requests to tell whether memory grows")
        return []
    before, after = max(counted[:half]), max(counted[half:])
    print(
        f"at most {before / MEGABYTE:.0f} MiB in the first half after the warm-up, {after / MEGABYTE:.0f} in the second"
    )
    return [f"memory grew to {after / before:.2f} of that after the warm-up"] if after > GROWTH * before else []


if __name__ == "__main__":
    main()
