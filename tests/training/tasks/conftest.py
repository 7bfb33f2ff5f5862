import json
from pathlib import Path

import pytest
from training.small_tasks import echo_task


@pytest.fixture
def tasks_path(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    for number, answer in enumerate(("red", "blue", "green", "white")):
        (folder / f"{number}.json").write_text(json.dumps(echo_task(f"task.{answer}", answer, f"family {number % 2}")))
    return folder
