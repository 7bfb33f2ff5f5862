import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lorify.cli import app
from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.published.prompts import published_question

NAME = "task022_cosmosqa_passage_inappropriate_binary"
SNI = {"Definition": ["Say yes or no."], "Categories": ["c"], "Instances": [{"input": "a", "output": ["yes"]}]}
PROMPT = "Definition: Say yes or no.\n\nPositive Example 1 -\nNow complete the following example -\nInput: {}\nOutput: "


def described(folder: Path, number: int) -> Path:
    path = folder / f"lol_{number:03d}" / "metadata.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"descriptions": [f"Description {i} of the task." for i in range(5)]}))
    return folder


def prepare(*arguments: object):
    return CliRunner().invoke(app, ["prepare-tasks", *map(str, arguments)])


def test_files_of_super_naturalinstructions_get_the_authors_descriptions(tmp_path):
    (tmp_path / "sni").mkdir()
    (tmp_path / "sni" / f"{NAME}.json").write_text(json.dumps(SNI))
    descriptions = described(tmp_path / "tasks", 22)
    done = prepare(tmp_path / "sni", "-o", tmp_path / "out", "--tasks", 22, "--descriptions", descriptions)
    assert done.exit_code == 0, done.output
    (task,) = load_tasks(tmp_path / "out")
    assert task.name == NAME and len(task.descriptions) == 5 and task.instances[0].outputs == ("yes",)


def test_local_copies_of_lots_of_loras_are_read_by_split(tmp_path):
    pytest.importorskip("datasets")
    folder = tmp_path / "lol" / NAME
    folder.mkdir(parents=True)
    for split, text in (("train", "a"), ("test", "b")):
        row = {"id": "1", "input": PROMPT.format(text), "output": ["yes", "no"]}
        (folder / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    done = prepare(tmp_path / "lol", "-o", tmp_path / "out", "--tasks", 22)
    assert done.exit_code == 0, done.output
    (task,) = load_tasks(tmp_path / "out")
    assert (task.definition, task.metric) == ("Say yes or no.", "rouge_l")
    assert [(i.input, i.outputs) for i in task.instances] == [("a", ("yes", "no"))]


def test_descriptions_of_other_tasks_and_missing_tasks_are_named_before_anything_is_written(tmp_path):
    (tmp_path / "sni").mkdir()
    other = described(tmp_path / "tasks", 33)
    cases = {
        ("--tasks", 22, "--descriptions", other): f"no descriptions of 1 of 1 tasks, such as {NAME}",
        ("--tasks", 22): f"lacks 1 of 1 tasks, such as {NAME}.json",
        ("--tasks", "x"): "'x' is not one of Text-to-LoRA's",
        ("--tasks", 22, "--descriptions", tmp_path / "sni"): "has no NAME/metadata.yaml",
    }
    for options, message in cases.items():
        refused = prepare(tmp_path / "sni", "-o", tmp_path / "out", *options)
        assert refused.exit_code == 2 and message in refused.output.replace("\n", " ")
    for text in ("descriptions: [", "day: 2026-13-45", "descriptions: one", "- a", "[" * 5000, "a: !!bool maybe"):
        (other / "lol_033" / "metadata.yaml").write_text(text)
        refused = prepare(tmp_path / "sni", "-o", tmp_path / "out", "--tasks", 22, "--descriptions", other)
        assert refused.exit_code == 2 and "description file" in refused.output
    assert not (tmp_path / "out").exists()


def test_training_items_of_benchmarks_become_tasks_with_the_published_prompts(tmp_path):
    row = {"question": "How many?", "answer": "2 + 2 = 4\n#### 4"}
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps(row) + "\n")
    done = prepare("benchmarks", "-o", tmp_path / "out", "--items", tmp_path, "--tasks", "gsm8k")
    assert done.exit_code == 0, done.output
    (task,) = load_tasks(tmp_path / "out")
    assert task.instances[0].input == "Please answer the following question: How many?"
    assert task.instances[0].outputs == ("Let's think step by step. 2 + 2 = 4\n#### 4",)
    assert published_question(task, task.instances[0]) == task.instances[0].input
    refused = prepare("benchmarks", "-o", tmp_path / "out", "--tasks", "humaneval")
    assert refused.exit_code == 2 and "'humaneval' has no training items" in refused.output.replace("\n", " ")
