"""The commands of a miniature path run in an order that their files need, and a failed path continues."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "reproduce" / "run_commands.py"
PROGRAM = """
import sys, time
from pathlib import Path

def note(event):
    with open("events.txt", "a") as file:
        file.write(f"{event} {output.name}\\n")

output = Path(sys.argv[sys.argv.index("-o") + 1] if "-o" in sys.argv else sys.argv[2])
note("start")
if (Path("partner.txt")).exists() and output.name in Path("partner.txt").read_text().split():
    limit = time.monotonic() + 20  # both partners have to run at a time
    Path(output.name + ".waits").touch()
    while not all(Path(name + ".waits").exists() for name in Path("partner.txt").read_text().split()):
        assert time.monotonic() < limit
        time.sleep(0.01)
if output.name == "broken" and not Path("repaired").exists():
    sys.exit("the disk is full")
note("end")
"""


@pytest.fixture
def run_commands(tmp_path, monkeypatch) -> Callable[..., None]:
    """The function, with a lorify that notes when it starts and ends."""
    (tmp_path / "programs" / "lorify").mkdir(parents=True)
    (tmp_path / "programs" / "lorify" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "programs" / "lorify" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "programs"))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("reproduce_run_commands", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.run_commands


def events() -> list[str]:
    return Path("events.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "second",
    [
        ["train", "x.json", "--set", "init_from=run/a/last", "-o", "run/b"],
        ["eval", "run", "-m", "none,adapter:hypernetwork=run/a/best:chunk_tokens=8,icl", "-o", "run/b"],
        ["train", "x.json", "--set", "data.path=./run", "-o", "other/b"],
    ],
    ids=["file of a folder", "option of a method", "folder of folders"],
)
def test_a_command_waits_for_those_whose_output_it_names(run_commands, second):
    run_commands([["train", "x.json", "-o", "run/a"], second], Path("run"))
    assert events() == ["start a", "end a", "start b", "end b"]


def test_a_watch_adds_to_the_run_that_it_watches(run_commands):
    commands = [
        ["train", "x.json", "-o", "run/a"],
        ["watch", "run/a", "--once"],
        ["eval", "--task-hypernetwork", "run/a/best-by-benchmarks", "-o", "run/b"],
    ]
    run_commands(commands, Path("run"))
    assert events() == ["start a", "end a", "start a", "end a", "start b", "end b"]


def test_commands_that_do_not_need_each_other_run_at_a_time(run_commands, capsys):
    Path("partner.txt").write_text("a a-chunks")
    run_commands([["train", "-o", "run/a"], ["train", "-o", "run/a-chunks"]], Path("run"))
    assert sorted(events()[:2]) == ["start a", "start a-chunks"]
    assert "[2/2] $ lorify train -o run/a-chunks" in capsys.readouterr().out


def test_one_worker_runs_one_command_at_a_time(run_commands):
    run_commands([["train", "-o", f"run/{name}"] for name in "abc"], Path("run"), workers=1)
    assert events() == [f"{event} {name}" for name in "abc" for event in ("start", "end")]


def test_a_failed_path_shows_the_log_and_continues(run_commands):
    commands = [["train", "-o", "run/a"], ["train", "-o", "run/broken"], ["eval", "run/broken/best", "-o", "run/b"]]
    with pytest.raises(SystemExit, match=r"(?s)the disk is full.*command 2 failed: lorify train -o run/broken"):
        run_commands(commands, Path("run"))
    assert "start b" not in events()
    Path("repaired").touch()
    run_commands(commands, Path("run"))
    assert events().count("end a") == 1 and events()[-4:] == ["start broken", "end broken", "start b", "end b"]
