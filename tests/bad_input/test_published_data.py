"""Bad input through the command line: the published data of Doc-to-LoRA and Text-to-LoRA. Nothing may be lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from bad_input_helpers import Fail, run, truncate
from data.self_generated.published_files import published_row, write_published
from training.small_perceiver import config, write_self_generated

from lorify.base.loading import load_base

TASK = "task022_cosmosqa_passage_inappropriate_binary"


def without(column: str) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pq.read_table(path).drop_columns([column]), path)


def renamed(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pq.read_table(path).rename_columns({old: new}), path)


@pytest.fixture
def perceiver_config(tmp_path: Path, base_dir: Path) -> Path:
    """A config that trains on a set of the published layout and one of lorify's own."""
    base = load_base(str(base_dir))
    rows = [published_row(base, f"Mill {i} keeps bees.", ["Who?"]) for i in range(4)]
    write_published(tmp_path / "data" / "squad" / "ds_0000.parquet", rows[:2])
    write_published(tmp_path / "data" / "squad" / "ds_0001.parquet", rows[2:])
    write_self_generated(tmp_path / "data" / "own", base)
    wanted = config(
        base=str(base_dir), data__niah=0, data__facts=0, data__self_generated=1, optimization__loss="kl",
        data__self_generated_path=str(tmp_path / "data"), data__sampling="questions",
    )  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(wanted.model_dump_json())
    return path


@pytest.mark.parametrize(
    ("file", "damage", "reason"),
    [
        ("squad/ds_0001.parquet", without("logprobs_vals"), "lacks the column logprobs_vals"),
        ("squad/ds_0001.parquet", renamed("input_ids", "ids"), "lacks the column input_ids"),
        ("squad/ds_0001.parquet", renamed("ctx_ids", "context_ids"), "ds_0001.parquet"),
        ("squad/ds_0001.parquet", truncate, "is damaged"),
        ("own/shard-00000.parquet", truncate, "is damaged"),
        ("own/shard-00000.parquet", renamed("answer_ids", "ids"), "shard-00000.parquet"),
    ],
)
def test_damaged_and_half_written_shards(
    tmp_path: Path, perceiver_config: Path, fail: Fail, file: str, damage: Callable[[Path], object], reason: str
) -> None:
    damage(tmp_path / "data" / file)
    line = fail("train", perceiver_config, "-o", tmp_path / "run")
    assert Path(file).name in line and reason in line


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder of task files with one task, which came from Super-NaturalInstructions."""
    instances = [{"input": "a", "output": ["yes"]}]
    sni = {"Definition": ["Say yes or no."], "Categories": ["c"], "Instances": instances}
    (tmp_path / "sni").mkdir()
    (tmp_path / "sni" / f"{TASK}.json").write_text(json.dumps(sni))
    assert run("prepare-tasks", tmp_path / "sni", "-o", tmp_path / "out", "--tasks", 22).exit_code == 0
    return tmp_path / "out"


def test_descriptions_of_other_tasks(tmp_path: Path, prepared: Path, fail: Fail) -> None:
    metadata = tmp_path / "descriptions" / "lol_033" / "metadata.yaml"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(yaml.safe_dump({"descriptions": ["Write it backwards."]}))
    command = ("prepare-tasks", tmp_path / "sni", "-o", prepared, "--tasks", 22)
    for given in (tmp_path / "descriptions", metadata):
        assert f"no descriptions of 1 of 1 tasks, such as {TASK}" in fail(*command, "--descriptions", given)


def test_a_folder_without_the_listed_tasks(tmp_path: Path, prepared: Path, fail: Fail) -> None:
    command = ("prepare-tasks", tmp_path / "sni", "-o", prepared)
    assert "lacks 1 of 1 tasks, such as task033_" in fail(*command, "--tasks", "22,33")
    assert "lacks 478 of 478 tasks" in fail(*command)


def test_tasks_that_were_written_with_other_descriptions(tmp_path: Path, prepared: Path, fail: Fail) -> None:
    metadata = tmp_path / "descriptions" / "lol_022" / "metadata.yaml"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(yaml.safe_dump({"descriptions": ["Tell yes from no.", "Answer yes or no."]}))
    described = ("--tasks", 22, "--descriptions", tmp_path / "descriptions")
    line = fail("prepare-tasks", tmp_path / "sni", "-o", prepared, *described)
    assert f"{TASK}.json was written with other descriptions" in line
    command = ("prepare-tasks", tmp_path / "sni", "-o", tmp_path / "other")
    assert run(*command, *described).exit_code == run(*command, *described).exit_code == 0
    assert "was written with other descriptions" in fail(*command, "--tasks", 22)
