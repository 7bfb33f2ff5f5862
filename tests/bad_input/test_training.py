"""Bad input through the command line: training configs, data, checkpoints and run folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bad_input_helpers import Fail, other_config, stop_at_step, train, truncate


def test_all_problems_of_a_training_config_are_listed(tmp_path: Path, fail: Fail) -> None:
    path = tmp_path / "config.json"
    bad = {
        "optimization": {"steps": -1, "stepz": 3, "learning_rate": "fast"},
        "data": {"general_probability": 2},
        "hypernetwork": [],
        "sede": 1,
    }
    path.write_text(json.dumps(bad))
    line = fail("train", path, "-o", tmp_path / "run")
    for problem in (
        "optimization.steps: input should be greater than 0, got -1",
        "optimization.stepz: unknown key",
        "optimization.learning_rate: ",
        "'fast'",
        "data.general_probability: ",
        "hypernetwork: ",
        "sede: unknown key",
    ):
        assert problem in line
    assert "lorify train --defaults" in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "invalid json"),
        (b"steps: 3", "invalid json"),
        (b'{"base": "caf\xe9"}', "config.json"),
        (b"[]", "is not a JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"base": ' + b"1" * 5000 + b"}", "too many digits"),
    ],
)
def test_a_training_config_that_is_no_json(tmp_path: Path, fail: Fail, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    line = fail("train", tmp_path / "config.json", "-o", tmp_path / "run")
    assert "config.json" in line and reason in line


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("hypernetwork.module=gate_proj", "gate_proj"),
        ("hypernetwork.module=nonsense", "nonsense"),
        ('hypernetwork.reading_modules=["q_proj"]', "reading_modules was removed in lorify 0.2"),
        ("data.questions_path=absent.jsonl", "absent.jsonl"),
        ("base=no-such-base", "no-such-base"),
        ("init_from=no-such-hypernetwork", "no-such-hypernetwork"),
        ("data.questions=0", "above 0, or data.questions with data.questions_path"),
        ("data.questions_path=null", "above 0, or data.questions with data.questions_path"),
        ("hypernetwork.first_layer=5", "first_layer 5 is above last_layer 1"),
        ("data.niah_min_tokens=999", "niah_min_tokens 999 is above niah_max_tokens"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    tmp_path: Path, training_config: Path, fail: Fail, setting: str, reason: str
) -> None:
    assert reason in fail("train", training_config, "-o", tmp_path / "run", "--set", setting)


def test_a_bad_hypernetwork_is_refused_before_the_base_answers_prompts(
    tmp_path: Path, training_config: Path, fail: Fail
) -> None:
    settings = ["--set", "data.general_probability=1", "--set", "hypernetwork.module=nonsense"]
    assert "nonsense" in fail("train", training_config, "-o", tmp_path / "run", *settings)


def test_passages_of_which_none_can_be_held_out(tmp_path: Path, training_config: Path, fail: Fail) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"context": "The mill opens at nine.", "question": "When?", "answers": ["nine"]}))
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", f"data.questions_path={path}")
    assert "data.questions_path" in line and "give at least two" in line


@pytest.mark.parametrize("line", ["[" * 100_000, '{"context": ' * 100_000, "1" * 5000])
def test_lines_of_questions_that_only_look_like_json(
    tmp_path: Path, training_config: Path, fail: Fail, line: str
) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text(line)
    message = fail("train", training_config, "-o", tmp_path / "run", "--set", f"data.questions_path={path}")
    assert f"{path}, line 1: not JSON" in message


def test_a_start_from_a_hypernetwork_of_another_base(
    tmp_path: Path, training_config: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    foreign = Path(shutil.copytree(hypernetwork_dir, tmp_path / "foreign"))
    other_config(base_digest="0" * 64, base_name="elsewhere")(foreign)
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", f"init_from={foreign}")
    assert str(foreign) in line and "elsewhere" in line


def damage_state(change: Callable[[dict], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"nonsense" * 100),
        damage_state(lambda state: state.pop("optimizer")),
        damage_state(lambda state: state["optimizer"]["param_groups"].clear()),
        damage_state(lambda state: state["hypernetwork"].popitem()),
        damage_state(
            lambda state: state["hypernetwork"].update({name: torch.zeros(3) for name in state["hypernetwork"]})
        ),
        damage_state(lambda state: state.update(step="two")),
    ],
)
def test_a_damaged_checkpoint(
    tmp_path: Path, training_config: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail, damage: Callable[[Path], object]
) -> None:
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2)
        assert train(training_config, tmp_path / "run").exit_code == 130
    damage(tmp_path / "run" / "checkpoint" / "state.pt")
    line = fail("train", training_config, "-o", tmp_path / "run")
    assert "state.pt is damaged" in line and f"delete {tmp_path / 'run'} to start again" in line


def test_a_run_folder_of_another_config(tmp_path: Path, training_config: Path, monkeypatch, fail: Fail) -> None:
    with monkeypatch.context() as patch:
        stop_at_step(patch, 0)
        assert train(training_config, tmp_path / "run").exit_code == 130
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", "seed=3")
    assert "another config" in line and "choose another folder or delete it" in line


def test_all_problems_of_a_config_are_listed(tmp_path: Path, fail: Fail) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"optimization": {"steps": -1, "stepz": 3}, "seed": "many"}))
    line = fail("train", path, "-o", tmp_path / "run")
    assert all(
        name in line for name in ("optimization.steps", "optimization.stepz: unknown key", "seed", "-1", "'many'")
    )
    assert not (tmp_path / "run").exists()


def test_bad_settings(tmp_path: Path, training_config: Path, fail: Fail) -> None:
    command = ("train", training_config, "-o", tmp_path / "run")
    line = fail(*command, "--set", "optimization.stepz=3", "--set", "data.niah=none")
    assert "optimization.stepz: unknown key, the nearest is optimization.steps" in line and "data.niah" in line
    assert "KEY=VALUE" in fail(*command, "--set", "optimization.steps")
    assert not (tmp_path / "run").exists()


def test_config_that_is_no_json(tmp_path: Path, fail: Fail) -> None:
    (tmp_path / "config.json").write_text("steps: 3")
    assert "config.json" in fail("train", tmp_path / "config.json", "-o", tmp_path / "run")
    assert "absent.json" in fail("train", tmp_path / "absent.json", "-o", tmp_path / "run")
    assert "CONFIG" in fail("train")


def test_unusable_questions(tmp_path: Path, training_config: Path, fail: Fail) -> None:
    config = json.loads(training_config.read_text())
    config["data"] |= {"questions": 2, "questions_path": str(tmp_path / "absent.jsonl")}
    training_config.write_text(json.dumps(config))
    assert "absent.jsonl" in fail("train", training_config, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()
