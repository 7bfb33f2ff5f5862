import re
import subprocess
import sys
from collections import Counter

import pytest

from lorify.data.tasks.schema import split_descriptions, split_instances
from lorify.data.tasks.suite import (
    UNSEEN_FAMILIES,
    drawn_suite_tasks,
    suite_training_tasks,
    suite_unseen_tasks,
    task_suite,
)


def test_there_are_many_tasks_and_whole_families_are_held_out():
    train, unseen = suite_training_tasks(), suite_unseen_tasks()
    assert len(train) >= 120 and len(unseen) >= 25
    assert {t.family for t in unseen} == UNSEEN_FAMILIES
    assert not {t.family for t in train} & UNSEEN_FAMILIES
    assert len({t.name for t in task_suite()}) == len(task_suite()) == len(train) + len(unseen)
    assert len({t.family for t in train}) >= 15


@pytest.mark.parametrize("task", (*task_suite(), *drawn_suite_tasks(160)), ids=lambda task: task.name)
def test_a_task_has_many_descriptions_and_different_instances(task):
    assert len(set(task.descriptions)) == len(task.descriptions) >= 8
    seen, unseen = split_descriptions(task)
    assert len(seen) >= 7 and len(unseen) >= 2 and not set(seen) & set(unseen)
    texts = [text for text in task.descriptions if "{" not in text]
    assert all(re.search(r"\w{3}", text) and not re.search(r"[{}]|\$[a-z]|  ", text) for text in texts)
    inputs = [instance.input for instance in task.instances]
    assert len(set(inputs)) == len(inputs) >= 18
    for instance in task.instances:
        assert instance.input.strip() and instance.outputs[0].strip()
        assert not instance.choices or instance.outputs[0] in instance.choices
    train, heldout = split_instances(task)
    assert len(heldout) >= 4 and not {i.input for i in train} & {i.input for i in heldout}


def test_no_two_tasks_share_a_description():
    owners = Counter(text for task in task_suite() for text in set(task.descriptions))
    assert [text for text, count in owners.items() if count > 1] == []


def test_answers_are_right():
    answers_by_task = {task.name: {i.input: i.outputs[0] for i in task.instances} for task in task_suite()}
    assert all(
        eval(text.replace(" and ", "+")) == int(answer) for text, answer in answers_by_task["arithmetic_add"].items()
    )
    assert all(answer == text.upper() for text, answer in answers_by_task["case_upper"].items())
    assert all(answer in text for text, answer in answers_by_task["extraction_city"].items())
    assert all(answer == f"[{text}]" for text, answer in answers_by_task["brackets_square"].items())
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", answer) for answer in answers_by_task["dates_iso"].values())
    yes = [answer == "yes" for answer in answers_by_task["topic_questions_food"].values()]
    assert 0.3 < sum(yes) / len(yes) < 0.7


def test_every_process_generates_the_same_tasks():
    code = (
        "import hashlib, lorify.data.tasks.suite as s; print(hashlib.sha256(repr(s.task_suite()).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_more_drawn_tasks_begin_with_the_same_ones():
    many = drawn_suite_tasks(400)
    assert many[:80] == drawn_suite_tasks(80)
    assert len({task.name for task in many}) == 400
    assert len({task.descriptions for task in many}) > 380  # hardly any two are the same task
    assert not {task.family for task in many} & {task.family for task in task_suite()}


def test_drawn_tasks_request_nothing_that_unseen_families_request():
    labels = {choice for task in suite_unseen_tasks() for i in task.instances for choice in i.choices} - {"yes", "no"}
    drawn = drawn_suite_tasks(800)
    answers = [instance.outputs[0] for task in drawn for instance in task.instances]
    around = ("()", "[]", "<>", "==")
    assert not [a for a in answers if a.lower() in labels or a[0] + a[-1] in around]
    asked = {text for task in drawn for text in task.descriptions}
    assert not asked & {text for task in suite_unseen_tasks() for text in task.descriptions}


def test_answers_of_drawn_tasks_are_right():
    for task in drawn_suite_tasks(320):
        for instance in task.instances:
            (answer,) = instance.outputs
            quoted = re.findall(r'"([^"]+)"', task.descriptions[0])
            match task.family.partition(":")[0]:
                case "drawn marks" if task.name.startswith("drawn_inside"):
                    assert answer in instance.input and answer != instance.input
                case "drawn marks" if task.name.startswith("drawn_word_wrapping"):
                    assert (
                        sum(one != two for one, two in zip(answer.split(), instance.input.split(), strict=False)) >= 1
                    )
                    assert re.findall(r"[a-zA-Z]+", answer) == re.findall(r"[a-zA-Z]+", instance.input)
                case "drawn marks" if task.name.startswith(("drawn_unwrapping", "drawn_rewrapping")):
                    assert answer != instance.input
                    assert re.findall(r"[a-zA-Z]+", answer) == re.findall(r"[a-zA-Z]+", instance.input)
                case "drawn marks" if task.name.startswith("drawn_naming"):
                    assert answer in task.descriptions[0].lower() or answer in task.descriptions[0]
                case "drawn wrapping" | "drawn affixes" | "drawn voices" | "drawn code":
                    assert instance.input in answer and answer != instance.input
                case "drawn marks":
                    assert answer != instance.input
                    assert re.findall(r"\w", answer.replace("_", "")) == re.findall(r"\w", instance.input)
                case "drawn labels":
                    assert answer in quoted and set(quoted) == set(instance.choices)
                case "drawn constants":
                    assert any(answer in text for text in task.descriptions)
                case "drawn separators":
                    assert all(item in answer for item in instance.input.split(", "))
                case "drawn exchanges":
                    assert quoted[0] in answer
                case "drawn picks":
                    assert any(item in answer for item in instance.input.split(", "))
                    assert quoted[0].strip(" ,:=-") in answer
                case "drawn requests" | "drawn lookups":
                    bare = re.split('": |: |=', answer)[-1].strip("'\"!}").lower().split(", ")[0]
                    assert bare in instance.input.lower()
                case "drawn parts" | "drawn orders":
                    assert answer != instance.input
                    assert re.split(r"\W+|_", answer)[0] in instance.input
                case "drawn fields":
                    bare = re.split("[:=]", answer)[-1].strip(" '\"!}").lower()
                    assert all(value in instance.input.lower() for value in re.split(" and |, ", bare))
                case "drawn extraction":
                    assert answer.lower().strip('"') in instance.input.lower() or ":" in answer
