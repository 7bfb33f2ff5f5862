import pytest

from lorify.data.sources.lots_of_loras import lots_of_loras_names, parse_rows, read_lots_of_loras, select_names
from lorify.data.tasks.published.sni import sni_training_tasks
from lorify.data.tasks.schema import Instance
from lorify.errors import EvaluationError

PROMPT = (
    "Definition: Give the opposite.\n\nPositive Example 1 -\nInput: hot\nOutput: cold\n\n"
    "Now complete the following example -\nInput: big\nOutput: "
)


def test_definition_and_problem_are_taken_from_a_published_row():
    rows = [{"id": "1", "input": PROMPT, "output": ["small", "little"]}]
    assert list(parse_rows(rows, "x")) == [("Give the opposite.", Instance("big", ("small", "little")))]


@pytest.mark.parametrize("row", [{}, {"input": "Definition: x", "output": ["y"]}, {"input": PROMPT, "output": None}])
def test_a_row_of_another_form_is_named(row):
    with pytest.raises(EvaluationError, match="row 1 of x has no definition, problem and output"):
        list(parse_rows([row], "x"))


@pytest.mark.parametrize(("text", "problem"), [("", "has no row in its split train"), ("{x\n", "cannot be read")])
def test_an_empty_or_broken_copy_is_named(tmp_path, text, problem):
    pytest.importorskip("datasets")
    (tmp_path / "task022_x").mkdir()
    (tmp_path / "task022_x" / "train.jsonl").write_text(text)
    with pytest.raises(EvaluationError, match=rf"task022_x {problem}"):
        read_lots_of_loras("task022_x", folder=tmp_path, split="train")


def test_there_are_500_data_sets_of_which_479_are_for_training():
    assert len(lots_of_loras_names()) == len(select_names("all")) == 500
    assert len(select_names("training")) == 479 == len(sni_training_tasks() & set(lots_of_loras_names()))
    assert select_names("lol_022") == ["task022_cosmosqa_passage_inappropriate_binary"]
    for wanted in ("", "1,x", "99999"):
        with pytest.raises(EvaluationError, match="is not one of Text-to-LoRA's"):
            select_names(wanted)
