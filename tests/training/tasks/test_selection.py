import json

import pytest
from training.small_tasks import DATA, RUN, SCHEDULE, echo_task, start, task_config

from lorify.adapters import load_adapter
from lorify.errors import EvaluationError, TrainingError
from lorify.hypernets.text_to_lora.training_config import LoraTrainingConfig
from lorify.hypernets.training_data import TaskData
from lorify.training.tasks.selection import select_tasks


def test_unseen_families_and_instances_that_overlap_with_evaluation_tasks_are_not_trained_on(tmp_path, tasks_path):
    train, unseen = select_tasks(TaskData.model_validate({"suite": True, "max_tasks": 30}), seed=0)
    assert len(train) == 30 and not {t.family for t in train} & {t.family for t in unseen}
    long = " ".join(f"word{n}" for n in range(12))
    clash = echo_task("clash", "red", "family 0") | {"instances": [{"input": long, "outputs": [w]} for w in ("a", "b")]}
    (tasks_path / "clash.json").write_text(json.dumps(clash))
    (tmp_path / "measured.json").write_text(json.dumps(clash | {"name": "measured"}))
    data = {**DATA, "tasks_path": str(tasks_path), "eval_tasks_path": str(tmp_path / "measured.json")}
    train, _ = select_tasks(TaskData.model_validate(data), seed=0)
    assert "clash" not in {t.name for t in train} and len(train) == 4


def test_the_best_step_of_writing_questions_has_the_lowest_loss(tmp_path):
    lines = [
        {"context": f"Mill {n} opened in {1800 + n}. It is red.", "question": f"When did mill {n} open?",
         "answers": [str(1800 + n)]} for n in range(60)
    ]  # fmt: skip
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = {**DATA, "questions_path": tmp_path / "questions.jsonl"}
    config = LoraTrainingConfig.model_validate(
        {**RUN, "shared": True, "lora": {"modules": ["q_proj"], "rank": 2}, "data": data, "optimization": SCHEDULE}
    )
    train, unseen = select_tasks(config.data, config.seed)
    assert not unseen and {task.family for task in train} == {"generated", "passages"}
    learned = {instance.outputs[0] for task in train if task.family == "passages" for instance in task.instances}
    assert learned < {line["question"] for line in lines}  # some passages are held out
    trainer = start(config, tmp_path / "run")
    assert trainer.objective.score({"loss/seen": 1.0, "exact/seen": 0.0}) > trainer.objective.score(
        {"loss/seen": 2.0, "exact/seen": 1.0}
    )
    trainer.run(lambda _: None)
    assert load_adapter(tmp_path / "run" / "best").rank == 2


def test_a_broken_task_file_and_a_run_without_tasks_are_refused(tmp_path, tasks_path):
    (tasks_path / "broken.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"broken\.json"):
        start(task_config(tasks_path), tmp_path / "run")
    with pytest.raises(TrainingError, match="no task to train on"):
        select_tasks(TaskData.model_validate({"suite": False}), seed=0)


def test_generated_tasks_are_added_to_the_suite_or_used_alone():
    alone, unseen = select_tasks(TaskData(suite=False, drawn_tasks=40), seed=0)
    assert len(alone) == 40 and unseen == []
    both, unseen = select_tasks(TaskData(drawn_tasks=40), seed=0)
    assert set(alone) < set(both)
    assert not {task.family for task in both} & {task.family for task in unseen}


def published_task(name: str, *answers: str) -> dict:
    instances = [{"input": f"{name} input {n}", "outputs": [answer]} for n, answer in enumerate(answers)]
    descriptions = ["Sentence 1: {...} Sentence 2: {...} same?"]
    return {"name": name, "definition": "Say yes or no.", "descriptions": descriptions, "instances": instances}


def test_published_tasks_get_wordings_and_named_data_sets_are_held_out(tmp_path):
    for name in ("t0_paws_labeled_final_Rewrite", "t0_wiqa_effect_with_label_answer", "t0_quarel_logic_test", "mine"):
        (tmp_path / f"{name}.json").write_text(json.dumps(published_task(name, "yes", "no")))
    data = {"suite": False, "tasks_path": tmp_path, "heldout_family_share": 0}
    train, unseen = select_tasks(TaskData.model_validate({**data, "wordings": True, "heldout_tasks": ["paws"]}), 0)
    assert [task.name for task in unseen] == ["t0_paws_labeled_final_Rewrite"]
    tasks = {task.name: task for task in train}
    assert set(tasks) == {"t0_wiqa_effect_with_label_answer", "mine"}  # Quarel has wrong labels
    described = tasks["t0_wiqa_effect_with_label_answer"].descriptions
    assert len(described) >= 14 and not any("{" in text for text in described)
    assert len(tasks["mine"].descriptions) == 1
    plain, _ = select_tasks(TaskData.model_validate(data), 0)
    assert len(plain) == 4 and all(len(task.descriptions) == 1 for task in plain)
    with pytest.raises(TrainingError, match="heldout_tasks names boolq"):
        select_tasks(TaskData.model_validate({**data, "heldout_tasks": ["boolq", "paws"]}), 0)


def test_written_tasks_are_added():
    train, _ = select_tasks(TaskData(suite=False, written_tasks=True), seed=0)
    assert len({task.family for task in train}) == len(train) == 80
