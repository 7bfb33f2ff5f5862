"""Fixtures of the tests of bad input: a cache of their own, an adapter, a training config, refused commands."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bad_input_helpers import Fail, run, snapshot
from tiny import TOWER_TEXT


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so that two processes compute the same numbers
        yield
        torch.set_num_threads(threads)


@pytest.fixture
def model_options(base_dir: Path, hypernetwork_dir: Path) -> list[object]:
    return ["--base", base_dir, "--hypernetwork", hypernetwork_dir]


@pytest.fixture(scope="module")
def made_adapter(base_dir: Path, hypernetwork_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "tower.txt").write_text(TOWER_TEXT)
    command = ["internalize", folder / "tower.txt", "-o", folder / "adapter", "--base", base_dir]
    assert run(*command, "--hypernetwork", hypernetwork_dir).exit_code == 0
    return folder / "adapter"


@pytest.fixture
def adapter_dir(tmp_path: Path, made_adapter: Path) -> Path:
    return Path(shutil.copytree(made_adapter, tmp_path / "adapter"))


@pytest.fixture
def fail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Fail:
    """Run a command that has to be refused; return its one line."""

    def refused(*args: object, stdin: bytes | None = None) -> str:
        before = snapshot(tmp_path)
        capfd.readouterr()
        result = run(*args, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
        assert len(result.stderr) < 600, result.stderr
        printed = capfd.readouterr()
        assert printed.out == printed.err == "", printed  # by libraries, past the command's own streams
        assert snapshot(tmp_path) == before
        return result.stderr

    return refused


@pytest.fixture(scope="module")
def passages_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("passages") / "passages.jsonl"
    rows = [
        {"context": f"The {name} mill opens at {hour}.", "question": f"When does {name} mill open?", "answers": [hour]}
        for name, hour in zip(
            "Ash Birch Cedar Elm Fir Hazel Larch Maple Oak Pine Rowan Yew".split(),
            "one two three four five six seven eight nine ten eleven twelve".split(),
            strict=True,
        )
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def training_config(tmp_path: Path, base_dir: Path, passages_path: Path) -> Path:
    path = tmp_path / "config.json"
    config = {
        "base": str(base_dir),
        "hypernetwork": {"first_layer": 0, "last_layer": 1, "rank": 4, "width": 8} | {"chunk_tokens": 64},
        "data": {"facts": 0, "questions": 2, "niah": 0, "questions_path": str(passages_path)}
        | {"general_probability": 0.0},
        "optimization": {"steps": 12, "warmup_steps": 1},
        "evaluate_every": 3,
        "evaluation_batches": 1,
        "checkpoint_every": 2,
    }
    path.write_text(json.dumps(config))
    return path
