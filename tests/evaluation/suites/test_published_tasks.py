from collections import Counter

import pytest
from tiny_lorify import Reader

from lorify.data.tasks.files import save_task
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.suites.fuzzy_functions import DATA_DIR
from lorify.evaluation.suites.registry import parse_suite


@pytest.fixture(scope="module")
def fuzzy():
    return parse_suite("fuzzy").build(Reader())


def test_fuzzy_functions_are_many_and_of_several_families(fuzzy):
    families = Counter(case.task.family for case in fuzzy)
    assert len(fuzzy) >= 60 and len(families) >= 6 and min(families.values()) >= 6
    assert sum(len(case.questions) for case in fuzzy) >= 400
    assert sum(path.stat().st_size for path in DATA_DIR.iterdir()) < 1_000_000


def test_expected_outputs_get_full_marks_and_shown_examples_are_not_asked(fuzzy):
    for case in fuzzy:
        shown = {turn["content"] for turn in case.task.examples}
        assert len(case.task.examples) == 6 and case.task.mismatched != case.task.description
        for question in case.questions:
            assert score_answer(case.metric, question.answers[0], question.answers) == 1.0
            assert question.text not in shown


def test_no_output_of_a_function_is_nearly_always_right(fuzzy):
    for case in fuzzy:
        (_, most), *_ = Counter(question.answers[0] for question in case.questions).most_common(1)
        assert most <= 0.75 * len(case.questions), case.id


def test_natural_tasks_of_a_family_are_chosen_by_options(tmp_path):
    instances = tuple(Instance(f"{i}", (f"{i}",)) for i in range(10))
    for name in ("t0_quarel_a", "t0_wiki_qa_b"):
        save_task(Task(name, "Do it now.", ("Do it now.",), instances, "exact", "p3", "test"), tmp_path)
    suite = parse_suite(f"natural:path={tmp_path}:families=closed_book_qa:instances=1:seeds=2")
    assert [case.id for case in suite.build(Reader())] == ["t0_wiki_qa_b/0", "t0_wiki_qa_b/1"]
    assert parse_suite(suite.label) == suite


@pytest.mark.parametrize("name", ["instruction_induction", "natural", "bigbench", "fuzzy"])
def test_an_empty_folder_is_an_error_of_one_line(name, tmp_path):
    with pytest.raises(EvaluationError) as caught:
        parse_suite(f"{name}:path={tmp_path}").build(Reader())
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
