"""The methods for tasks, on a tiny random base."""

from pathlib import Path

import pytest
import torch
from tiny import tiny_base

from lorify.adapters.storage import save_adapter
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.contexts.descriptions.task_names import TaskNameEncoder
from lorify.data.tasks.files import save_task
from lorify.data.tasks.schema import split_descriptions
from lorify.data.tasks.suite import suite_unseen_tasks
from lorify.errors import EvaluationError, HypernetworkError
from lorify.evaluation.methods.registry import methods_for, parse_methods
from lorify.evaluation.reports.findings import summarize_findings
from lorify.evaluation.reports.run_report import FAMILIES_NAME, REPORT_NAME, TABLE_NAME, write_report
from lorify.evaluation.reports.summaries import summarize
from lorify.evaluation.runs.records import run_config
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.facts import FactsSuite
from lorify.evaluation.suites.tasks import TasksSuite
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import Library, load_library, save_library
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork

TASKS = suite_unseen_tasks()[:1] + suite_unseen_tasks()[-1:]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    base = tiny_base()
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16, num_training_tasks=7)
    folder = tmp_path_factory.mktemp("hypernetwork") / "tasks"
    TEXT_TO_LORA.save(folder, config, build_task_hypernetwork(config))
    return Lorify(base, None, folder)


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> TasksSuite:
    folder = tmp_path_factory.mktemp("tasks")
    for task in TASKS:
        save_task(task, folder)
    return TasksSuite(path=folder, instances=2, seeds=2)


@pytest.fixture(scope="module")
def trained(model, tmp_path_factory) -> str:
    """The methods that use trained LoRAs, with their folders."""
    folder = tmp_path_factory.mktemp("trained")
    own = {task.name: model.specialize(task.definition) for task in TASKS}
    save_adapter(own[TASKS[0].name], folder / "shared")
    save_library(Library(own, {task.name: task.descriptions for task in TASKS}), folder / "library")
    own_library = f"path={folder / 'library'}"
    return f"multi_task:path={folder / 'shared'},average:{own_library},oracle:{own_library},restored:{own_library}"


def ask(model, suite, methods, **options):
    return answer_cases(
        model, suite.build(model), parse_methods(methods, "tasks"), max_new_tokens=4, timed=False, **options
    )


def test_every_method_answers_the_same_inputs_with_its_own_prompt(model, suite, trained, tmp_path):
    methods = f"none,description,three_shot,adapter,mismatched,random,hyperdecoders,{trained}"
    answers = ask(model, suite, methods)
    labels = [method.label for method in parse_methods(methods, "tasks")]
    assert [label.partition(":")[0] for label in labels] == ["none", *(m for m in methods_for("tasks") if m != "none")]
    asked = {label: {(*a.key, a.question) for a in answers if a.method == label} for label in labels}
    assert all(len(keys) == 8 and keys == asked["none"] for keys in asked.values())
    descriptions = {(a.method, a.group): a.description for a in answers if a.seed == 0}
    for task in TASKS:
        assert (
            descriptions["adapter", task.name]
            == descriptions["description", task.name]
            == split_descriptions(task)[1][0]
        )
        other = next(t for t in TASKS if t is not task)
        assert descriptions["mismatched", task.name] in other.descriptions
        assert len(descriptions["random", task.name]) > 40 and descriptions["none", task.name] is None
    assert len({a.description for a in answers if a.method == "adapter"}) == 4, "each seed has another description"
    assert all(
        (a.adapter_bytes > 0) == (a.method not in ("none", "description", "three_shot", "hyperdecoders"))
        for a in answers
    )

    config = run_config(
        model, "tasks", suite.build(model), parse_methods(methods, "tasks"), max_new_tokens=4, timed=False
    )
    assert (config.hypernetwork, config.training_tasks) == ("tasks", 7)
    write_report(tmp_path, config, answers, summarize_findings(answers, model, parse_methods(methods, "tasks")))
    rows = {row["method"]: row for row in summarize(answers)}
    assert set(rows) == set(labels)
    assert all(row["score_low"] <= row["score"] <= row["score_high"] for row in rows.values())
    assert all((row["tasks"], row["seeds"]) == (2, 2) for row in rows.values())
    for name in (TABLE_NAME, FAMILIES_NAME, REPORT_NAME, "quality-methods.png", "quality-update.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert "By family of tasks" in (tmp_path / REPORT_NAME).read_text()


def test_missing_requirements_of_a_method_are_named(model, suite, trained, tmp_path):
    with pytest.raises(EvaluationError, match="path: Field required"):
        parse_methods("oracle", "tasks")
    with pytest.raises(EvaluationError, match="method for tasks 'icl' does not exist; choose from none, description"):
        parse_methods("icl", "tasks")
    with pytest.raises(EvaluationError, match="method for documents 'three_shot' does not exist"):
        parse_methods("three_shot")
    with pytest.raises(HypernetworkError, match="no task hypernetwork"):
        ask(Lorify(model.base, None), suite, "adapter")
    save_library(Library({"x": model.specialize("Say x.")}, {"x": ("Say x.",)}), tmp_path / "library")
    for method in ("oracle", "restored"):
        with pytest.raises(EvaluationError, match=f"method {method} needs .* has none for 'brackets"):
            ask(model, suite, f"{method}:path={tmp_path / 'library'}")
    (tmp_path / "one").mkdir()
    save_task(TASKS[0], tmp_path / "one")
    with pytest.raises(EvaluationError, match="at least two tasks"):
        ask(model, TasksSuite(path=tmp_path / "one", instances=1, seeds=1), "mismatched")


def test_the_average_of_a_library_is_the_mean_of_its_weights(model, suite, trained):
    library = load_library(Path(trained.rpartition("path=")[2])).adapters
    (method,) = parse_methods(f"average:path={trained.rpartition('path=')[2]}", "tasks")
    prepared = method.load(model, 4)(suite.build(model)[0])
    (average,) = prepared.query_for("x").adapters.adapters
    key = (1, "v_proj")
    by_hand = sum(adapter.weights[key].A for adapter in library.values()) / len(library)
    torch.testing.assert_close(average.weights[key].A, by_hand)


def test_a_library_is_restored_from_the_descriptions_it_stores(model, suite, trained):
    library = trained.rpartition("path=")[2]
    answers = ask(model, suite, f"restored:path={library},adapter")
    for answer in answers:
        task = next(task for task in TASKS if answer.case.startswith(f"{task.name}/"))
        is_stored = answer.description == task.descriptions[0]
        assert is_stored == (answer.method != "adapter")
        assert answer.adapter_bytes > 0


def test_a_hypernetwork_that_knows_tasks_by_number_is_asked_by_their_names(model, suite, trained, tmp_path):
    names = tuple(task.name for task in TASKS)
    shape = {"rank": 2, "latent_size": 16, "head_input_size": 16}
    config = task_config(model.base, TaskNameEncoder(names), task_names=names, **shape)
    TEXT_TO_LORA.save(tmp_path / "by-number", config, build_task_hypernetwork(config))
    library = trained.rpartition("path=")[2]
    methods = (
        f"adapter:hypernetwork={tmp_path / 'by-number'},restored:hypernetwork={tmp_path / 'by-number'}:path={library}"
    )
    answers = ask(model, suite, methods)
    assert {(a.case.partition("/")[0], a.description) for a in answers} == {(name, name) for name in names}


def test_an_instruction_is_a_method_for_documents_too(model):
    cases = FactsSuite(documents=1, questions=2).build(model)
    methods = parse_methods("t2l,t2l:document=true")
    answers = answer_cases(model, cases, methods, max_new_tokens=2)
    first = {a.method: a for a in answers if a.index == 0}
    assert first["t2l:document=true"].prompt_tokens > first["t2l"].prompt_tokens + 50
    assert all(a.description.startswith("Answer the question") and a.adapter_bytes > 0 for a in answers)


def test_the_examples_of_a_task_are_fitted_into_its_adapter_and_trained_on(model, suite):
    case = suite.build(model)[0]
    found = {}
    for method in parse_methods("adapter,adapter:fit=true,adapter:refine=0.1", "tasks"):
        (adapter,) = method.load(model, 4)(case).query_for("a question").adapters.adapters
        found[method.label] = adapter.provenance
    assert [p.num_examples for p in found.values()] == [0, 3, 0]
    assert [p.refined_seconds is not None for p in found.values()] == [False, False, True]
