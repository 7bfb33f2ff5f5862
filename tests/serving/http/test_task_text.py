"""Tasks of requests hold nothing that commands a terminal."""

from pathlib import Path

import httpx2
import pytest
from serving.running import serving
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

from lorify.serving.documents.parsing import safe_text

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_white_space_stays_and_control_characters_go() -> None:
    assert safe_text("a\tb\nc\x1b[2J\x9bd\u202ee\x00") == "a\tb\nc[2Jde"


def test_a_task_is_stored_without_control_characters(tmp_path: Path) -> None:
    base = tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(tmp_path / "tasks", base))
    with serving(tmp_path, model=model) as running:
        created = httpx2.post(f"{running.url}/v1/adapters", json={"task": "Shout.\x1b]0;owned\x07"}, timeout=60).json()
        plain = httpx2.post(f"{running.url}/v1/adapters", json={"task": "Shout.]0;owned"}, timeout=60).json()
    assert "\x1b" not in created["documents"][0]["name"] and created["id"] == plain["id"]
