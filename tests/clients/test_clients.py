"""Real clients of OpenAI's API, in environments of their own (make test-clients): five streamed turns, JSON, functions.

The default base answers, with an adapter on in the Open WebUI-like sequence.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from serving.running import RunningServer, serving

import lorify
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.clients

SCRIPTS = Path(__file__).parent / "scripts"
QUESTIONS = [
    "Who founded the Kestrel Mill?",
    "What is the oven made of?",
    "Say it in one word.",
    "What is 2 + 2?",
    "Thank you!",
]
TEXT = "The Kestrel Mill was founded by Odo Brand in 1892. Its oven is made of blue clay."


def program_of(variable: str) -> Path:
    """Path of a Python with clients, named by an environment variable."""
    program = os.environ.get(variable)
    if program is None:
        pytest.skip(f"{variable} names no Python with the clients; run make test-clients")
    return Path(program).absolute()


@pytest.fixture(scope="module")
def python() -> Path:
    return program_of("LORIFY_TEST_CLIENTS")


@pytest.fixture(scope="module")
def llama_index_python() -> Path:
    """In an environment of its own, as it takes an older `openai` than the others."""
    return program_of("LORIFY_TEST_LLAMA_INDEX")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServingSettings(cors_origins=("http://localhost:3000",))
    with serving(tmp_path_factory.mktemp("clients"), model=lorify.load(), settings=settings) as running:
        yield running


def run(*command: object, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=240, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def report_of(client: str, python: Path, server: RunningServer) -> dict:
    """Run the script of a client; returns what it reports."""
    output = run(python, SCRIPTS / f"{client}.py", f"{server.url}/v1", server.service.base_id, *QUESTIONS)
    report = json.loads(output.splitlines()[-1])
    assert len(report["answers"]) == len(QUESTIONS) and all(report["answers"])
    return report


@pytest.mark.parametrize("client", ["openai_client", "litellm_client", "langchain_client"])
def test_a_client_chats_streams_and_calls(python: Path, server: RunningServer, client: str) -> None:
    report = report_of(client, python, server)
    assert report["structured"]
    name, arguments = report["called"]
    assert name == "weather" and set(arguments) == {"city"}
    assert report["after_call"] in ("stop", "length", "tool_calls")


def test_llama_index_chats_completes_and_calls(llama_index_python: Path, server: RunningServer) -> None:
    report = report_of("llama_index_client", llama_index_python, server)
    assert report["completed"] and set(report["structured"]) == {"place", "guests"}
    name, arguments = report["called"]
    assert name == "weather" and set(arguments) == {"city"}


def test_llm_holds_a_conversation(python: Path, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: lorify\n  model_name: {server.service.base_id}\n  api_base: {server.url}/v1\n"
        "  supports_schema: true\n  supports_tools: true\n"
    )
    env = {"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}
    llm = python.parent / "llm"
    for number, question in enumerate(QUESTIONS):
        continued = ["-c"] if number else []
        assert run(llm, "-m", "lorify", *continued, "-o", "max_tokens", 16, question, env=env).strip()
    visit = json.loads(run(llm, "-m", "lorify", "--schema", "place, guests int", "A visit to Oslo", env=env))
    assert set(visit) == {"place", "guests"} and isinstance(visit["guests"], int)
    function = "def now() -> str:\n    'Return the time.'\n    return 'noon'\n"
    assert run(llm, "-m", "lorify", "--functions", function, "-o", "max_tokens", 16, "What time is it?", env=env)


def test_a_web_page_like_open_webui_is_served(server: RunningServer) -> None:
    """The requests that Open WebUI sends to an OpenAI-compatible server for one chat of five turns."""
    headers = {"Origin": "http://localhost:3000", "Authorization": "Bearer none"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=120) as http:
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        assert http.options("/v1/chat/completions", headers=asked).status_code == 200
        adapter = http.post("/v1/adapters", files={"file": ("mill.txt", TEXT.encode())}, data={"purpose": "assistants"})
        models = [model["id"] for model in http.get("/v1/models").json()["data"]]
        model = adapter.json()["model"]
        assert model in models
        messages = [{"role": "system", "content": "Be brief."}]
        for question in QUESTIONS:
            messages.append({"role": "user", "content": [{"type": "text", "text": question}]})
            body = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
            text, usage = _read_stream(http, body | {"max_tokens": 16, "tools": None, "metadata": {}, "files": []})
            assert text and usage["completion_tokens"] > 0
            messages.append({"role": "assistant", "content": text})
        assert "Odo Brand" in messages[2]["content"]
        task = {"role": "user", "content": '### Task:\nWrite a title.\nJSON format: { "title": "..." }'}
        titled = http.post(
            "/v1/chat/completions",
            json={"model": model, "messages": [task], "stream": False, "max_completion_tokens": 50},
        )
        assert titled.status_code == 200
        assert titled.json()["choices"][0]["message"]["content"]
        assert http.post("/v1/embeddings", json={"model": model, "input": ["a"]}).status_code == 404


def _read_stream(http: httpx2.Client, body: dict) -> tuple[str, dict]:
    text, usage = "", {}
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            data = line.removeprefix("data: ")
            if line.startswith("data: ") and data != "[DONE]":
                chunk = json.loads(data)
                text += "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
                usage = chunk.get("usage") or usage
    return text, usage
