"""`lorify serve` and `lorify keys`: bad options, start and shutdown."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI
from serving.fake_vllm import fake_vllm
from serving.tiny_lorify import TEXTS, save_tiny_task_hypernetwork, tiny_hypernetwork
from tiny import tiny_base, tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from lorify.base.loading import load_base
from lorify.cli import app
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.serving.service import Service
from lorify.serving.storage.keys import ApiKeys


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "args, message",
    [
        (["--host", "0.0.0.0"], "which other machines can reach, and there are no API keys"),
        (["--keys", "missing.json"], "is missing or has no key"),
        (["--set", "engine.max_rows=0"], "engine.max_rows"),
        (["--set", "nonsense"], "is not a setting; give KEY=VALUE, such as engine.max_rows=16"),
        (
            ["--set", "engine.max_row=3"],
            "engine.max_row: unknown key, the nearest is engine.max_rows (see `lorify serve --defaults` for all keys)",
        ),
        (["--engine", "vllm"], "go together"),
        (["--endpoint", "http://localhost:1"], "go together"),
    ],
)
def test_bad_options_are_refused_before_anything_is_loaded(args: list[str], message: str) -> None:
    code, _, error = run("serve", *args)
    assert code == 2 and error.startswith("error: ") and message in error


def test_limits_are_listed() -> None:
    code, listing, _ = run("serve", "--defaults")
    assert code == 0 and "engine.max_rows=32" in listing and "drain_seconds=30" in listing


def test_a_key_is_created_and_printed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    code, key, _ = run("keys", "create", "ann", "--keys", path)
    assert code == 0 and ApiKeys.load(path).owner_of(key.strip()) == "ann"
    code, _, error = run("keys", "create", "ann", "--keys", path)
    assert code == 2 and "has a key named 'ann' already" in error


def test_keys_are_listed_and_revoked(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for name, options in (("ann", []), ("root", ["--operator"])):
        run("keys", "create", name, "--keys", path, *options)
    code, names, _ = run("keys", "list", "--keys", path)
    assert code == 0 and names.split("\n")[:2] == ["ann", "root (operator)"]
    code, _, note = run("keys", "revoke", "ann", "--keys", path)
    assert code == 0 and "restart" in note
    assert run("keys", "list", "--keys", path)[1].split() == ["root", "(operator)"]
    code, _, error = run("keys", "revoke", "ann", "--keys", path)
    assert code == 2 and "no key named 'ann'" in error


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Options for a tiny base on disk with document and task hypernetworks, and an empty store."""
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    base = load_base(str(tmp_path / "base"))
    ASSOCIATIVE.save(tmp_path / "hypernetwork", *tiny_hypernetwork(base))
    save_tiny_task_hypernetwork(tmp_path / "tasks", base)
    folders = {"base": "base", "hypernetwork": "hypernetwork", "task-hypernetwork": "tasks", "store": "store"}
    return [part for option, name in folders.items() for part in (f"--{option}", tmp_path / name)]


def test_an_unusable_task_hypernetwork_is_refused_at_the_start(options: list[object], tmp_path: Path) -> None:
    code, _, error = run("serve", *options, "--task-hypernetwork", tmp_path / "hypernetwork")
    assert code == 2 and error.startswith("error: hypernetwork") and "reads documents, not descriptions" in error


def test_running_answers_are_finished_at_sigterm(options: list[object]) -> None:
    command = [sys.executable, "-c", "from lorify.cli import main; main()", "serve", "--port", "0", *options]
    with subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if line.startswith("serving "))
        assert line.startswith("serving base at http://127.0.0.1:")  # the folder's name, not its path
        url = line.split()[3]
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        adapter = httpx2.post(f"{url}/v1/adapters", json={"text": TEXTS[0]}, timeout=600).json()
        task = httpx2.post(f"{url}/v1/adapters", json={"task": "Answer in rhyme."}, timeout=600)
        assert task.status_code == 201
        request = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 200}
        stream = client.chat.completions.create(model=adapter["model"], stream=True, **request)
        chunks = [next(stream)]
        server.send_signal(signal.SIGTERM)
        chunks += list(stream)
        assert chunks[-1].choices[0].finish_reason == "length"
        assert server.wait(600) == 0
        with pytest.raises(OSError):
            socket.create_connection((httpx2.URL(url).host, httpx2.URL(url).port))


def test_the_vllm_server_s_rank_is_printed_and_its_key_is_used(
    options: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_healthy(service: Service) -> bool:
        healthy = await service.engine.is_healthy()
        await service.close()
        return healthy

    def check(service: Service, *_: object) -> None:
        found.append(asyncio.run(is_healthy(service)))

    monkeypatch.setattr("lorify.serving.server.run_server", check)
    found: list[bool] = []
    save_tiny_task_hypernetwork(tmp_path / "tasks", load_base(str(tmp_path / "base")), rank=8)
    at = options.index("--task-hypernetwork")
    with fake_vllm(tiny_base()) as fake:
        fake.root, fake.key = "/models/base", "secret"
        engine = ["--engine", "vllm", "--endpoint", fake.url]
        monkeypatch.delenv("VLLM_API_KEY", raising=False)
        code, _, output = run("serve", *options[:at], *options[at + 2 :], *engine)
        assert code == 0 and "--max-lora-rank 16 " in output  # documents have rank 10
        monkeypatch.setenv("VLLM_API_KEY", "secret")
        code, _, output = run("serve", *options, *engine)
        assert code == 0 and "--max-lora-rank 32 " in output  # and tasks rank 8
        assert run("serve", *options, *engine, "--set", "vllm.api_key=another")[0] == 0
    assert found == [False, True, False]
