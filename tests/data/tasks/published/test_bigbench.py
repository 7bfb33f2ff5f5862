import json

import pytest

from lorify.data.tasks.published.bigbench import load_bigbench
from lorify.errors import EvaluationError

CHOICES = {
    "name": "colors",
    "description": "Name the color.",
    "preferred_score": "multiple_choice_grade",
    "examples": [
        {"input": "sky", "target_scores": {"red": 0, "blue": 1}},
        {"input": "blood", "target_scores": {"red": 1.0, "blue": 0}},
    ],
}
TEXTS = {
    "name": "sums",
    "description": "Measures arithmetic.",
    "task_prefix": "Add the numbers.\n",
    "metrics": ["exact_str_match"],
    "examples": [{"input": "1 1", "target": "2"}, {"input": "1 2", "target": ["3", "three"]}],
}


def write(folder, name, document):
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "task.json").write_text(document if isinstance(document, str) else json.dumps(document))


def test_choices_are_listed_and_the_best_is_the_answer(tmp_path):
    write(tmp_path, "colors", CHOICES)
    (task,) = load_bigbench(tmp_path)
    assert task.instances[0].input == "sky\n  choice: red\n  choice: blue" and task.instances[0].outputs == ("blue",)
    assert task.descriptions == ("Name the color.",)


def test_parts_of_a_task_are_a_family_and_the_prefix_is_the_description(tmp_path):
    write(tmp_path, "arithmetic/sums", TEXTS)
    (task,) = load_bigbench(tmp_path)
    assert (task.name, task.family, task.metric) == ("arithmetic/sums", "arithmetic", "exact")
    assert task.descriptions == ("Add the numbers.",) and task.instances[1].outputs == ("3", "three")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"examples": []}, "field 'examples' is missing or empty"),
        ({"examples": [{"input": "x"}] * 2}, "example 1 has neither"),
        ({"examples": [{"target": "x"}] * 2}, "example 1 has no 'input'"),
        ({"examples": TEXTS["examples"][:1]}, "one example"),
        ({"description": "", "task_prefix": ""}, "field 'description'"),
    ],
)
def test_what_a_file_lacks_is_named(tmp_path, change, problem):
    write(tmp_path, "sums", TEXTS | change)
    with pytest.raises(EvaluationError, match=problem):
        load_bigbench(tmp_path)


def test_folders_without_tasks_and_files_that_are_no_json_are_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"holds no task\.json"):
        load_bigbench(tmp_path)
    write(tmp_path, "sums", "[")
    with pytest.raises(EvaluationError, match="is not JSON"):
        load_bigbench(tmp_path)
