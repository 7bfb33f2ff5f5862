import json

import pytest

from lorify.data.tasks.files import save_task
from lorify.data.tasks.published.instruction_induction import load_instruction_induction
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError


def write_task(folder, name, examples):
    for part in ("annotations", "raw/induce", "raw/execute"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"{name}.json").write_text(json.dumps({"annotations": ["Do it.", "Do this."]}))
    for part in ("induce", "execute"):
        (folder / "raw" / part / f"{name}.json").write_text(json.dumps({"examples": examples}))


def test_the_published_files_are_read_as_the_authors_ask_them(tmp_path):
    write_task(tmp_path, "cause_and_effect", {"1": {"cause": "It rained.", "effect": "I got wet."}})
    write_task(
        tmp_path,
        "common_concept",
        {"1": {"concept": "are red.", "items": ["a", "b"], "all_common_concepts": ["x", "y"]}},
    )
    write_task(tmp_path, "rhymes", {"1": {"input": "ice", "output": "rice", "other_rhymes": ["rice", "price"]}})
    cause, concept, rhymes = load_instruction_induction(tmp_path)
    assert [i.input for i in cause.measured] == [
        "Sentence 1: It rained. Sentence 2: I got wet.",
        "Sentence 1: I got wet. Sentence 2: It rained.",
    ]
    assert all(i.outputs == ("It rained.",) for i in cause.measured)
    assert concept.measured == (Instance("a, b", ("x", "y")),) and concept.task.metric == "induction_f1"
    assert rhymes.measured[0].outputs == ("rice", "price") and rhymes.descriptions == ("Do it.", "Do this.")


def test_task_files_get_the_published_metrics_and_others_are_left_out(tmp_path):
    instances = tuple(Instance(f"{i}", (f"{i}",)) for i in range(10))
    for name in ("ii_taxonomy_animal", "ii_sum", "unrelated"):
        save_task(Task(name, "Do it now.", ("Do it now.",), instances, "exact", "family", "test"), tmp_path)
    tasks = load_instruction_induction(tmp_path)
    assert {t.task.name: t.task.metric for t in tasks} == {"sum": "induction_exact", "taxonomy_animal": "induction_set"}
    assert all(not set(t.shown) & set(t.measured) for t in tasks)


def test_folders_without_the_tasks_and_broken_files_are_named(tmp_path):
    with pytest.raises(EvaluationError, match="none of the tasks"):
        load_instruction_induction(tmp_path)
    with pytest.raises(EvaluationError, match="not a folder"):
        load_instruction_induction(tmp_path / "missing")
    write_task(tmp_path, "sum", {"1": {"input": "2 2"}})
    with pytest.raises(EvaluationError, match="example 1 has no input or no output"):
        load_instruction_induction(tmp_path)
    write_task(tmp_path, "sum", {})
    with pytest.raises(EvaluationError, match="'examples' is missing or empty"):
        load_instruction_induction(tmp_path)
    (tmp_path / "raw/execute/sum.json").unlink()
    write_task(tmp_path, "diff", {"1": {"input": "2 2", "output": "0"}})
    (tmp_path / "annotations/sum.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"sum\.json is not JSON"):
        load_instruction_induction(tmp_path)
