import pytest

from lorify.data.tasks.files import save_task
from lorify.data.tasks.published.natural import load_natural_tasks
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

INSTANCES = tuple(Instance(f"{i}", (f"{i}",)) for i in range(10))


def test_tasks_are_placed_by_their_names(tmp_path):
    for name, family in (
        ("t0_quarel_logic_test", "p3"),
        ("t0_wiki_qa_found_on_google", "p3"),
        ("t0_wiki_hop_original_choose", "p3"),
        ("sni_task363_sst2_polarity_classification", "Sentiment Analysis"),
        ("clinc_banking", "intent"),
    ):
        save_task(Task(name, "Do it now.", ("Do it now.",), INSTANCES, "exact", family, "test"), tmp_path)
    placed = {task.name: (task.family, task.source) for task in load_natural_tasks(tmp_path)}
    assert placed == {
        "t0_quarel_logic_test": ("multiple_choice_qa", "quarel"),
        "t0_wiki_qa_found_on_google": ("closed_book_qa", "wiki_qa"),
        "t0_wiki_hop_original_choose": ("multiple_choice_qa", "wiki_hop"),
        "sni_task363_sst2_polarity_classification": ("Sentiment Analysis", "sst2"),
        "clinc_banking": ("intent", "intent"),
    }
    chosen = load_natural_tasks(tmp_path, families=("multiple_choice_qa",), datasets=("quarel",))
    assert [task.name for task in chosen] == ["t0_quarel_logic_test"]
    with pytest.raises(EvaluationError, match="no tasks of families sentiment; choose from"):
        load_natural_tasks(tmp_path, families=("sentiment",))
    with pytest.raises(EvaluationError, match="these families and data sets together"):
        load_natural_tasks(tmp_path, families=("intent",), datasets=("quarel",))


def test_categories_of_task_files_are_families(tmp_path):
    (tmp_path / "sni_task1_a.json").write_text(
        '{"definition": "Do it.", "family": "superni", "categories": ["Answer Verification"], '
        '"instances": [{"input": "a", "outputs": ["b"]}, {"input": "c", "outputs": ["d"]}]}'
    )
    (task,) = load_natural_tasks(tmp_path)
    assert task.family == "Answer Verification"
