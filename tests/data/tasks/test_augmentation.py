import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from lorify.cli import app
from lorify.data.tasks.augmentation import frame_descriptions, parse_descriptions, write_descriptions
from lorify.data.tasks.files import load_tasks, save_task
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

INSTANCES = tuple(Instance(f"input {n}", (f"answer {n}",)) for n in range(5))
TASK = Task("ech/o", "Say it again.", ("Say it again.",), INSTANCES, "exact", "family", "test")


def test_answers_of_models_become_descriptions():
    answer = 'Here they are:\n1. Say the same thing.\n- "Repeat what you hear."\n\n(3) Copy it out loud.\nok'
    assert parse_descriptions(answer) == ["Say the same thing.", "Repeat what you hear.", "Copy it out loud."]


def test_the_model_is_called_until_there_are_enough_descriptions():
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return f"Write it number {len(asked)}.\nWrite it once more."

    task = write_descriptions(TASK, 4, ask)
    assert task.descriptions == ("Say it again.", "Write it number 1.", "Write it once more.", "Write it number 2.")
    assert "input 0" in asked[0] and "answer 4" not in asked[0], "held-out instances are not shown"
    with pytest.raises(EvaluationError, match="wrote 1 usable"):
        write_descriptions(TASK, 4, lambda _prompt: "no")


def test_frames_give_different_wordings():
    task = frame_descriptions(TASK, 9)
    assert len(set(task.descriptions)) == 9 and all("Say it again." in text for text in task.descriptions)


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = f"{asked['model']} says: repeat the words.\nGive it back unchanged."
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice]}
        body["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


def test_an_endpoint_describes_a_folder_and_existing_tasks_are_skipped(tmp_path):
    save_task(TASK, tmp_path / "tasks")
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/v1"
    command = [
        "augment-descriptions",
        str(tmp_path / "tasks"),
        "-o",
        str(tmp_path / "out"),
        "-n",
        "3",
        "--endpoint",
        address,
    ]
    try:
        result = CliRunner().invoke(app, [*command, "--model", "tiny"])
    finally:
        server.shutdown()
        server.server_close()
    assert result.exit_code == 0, result.output
    (task,) = load_tasks(tmp_path / "out")
    assert task.descriptions[1:] == ("tiny says: repeat the words.", "Give it back unchanged.")
    assert CliRunner().invoke(app, [*command, "--model", "tiny"]).exit_code == 0, "nothing is left to do"
    (tmp_path / "out" / "ech_o.json").unlink()
    gone = CliRunner().invoke(app, [*command, "--model", "tiny"])
    assert gone.exit_code == 2 and "did not answer" in gone.stderr and len(gone.stderr.strip().splitlines()) == 1
    assert "--endpoint needs --model" in CliRunner().invoke(app, command).stderr
