import json
from pathlib import Path

import numpy as np
import pytest
from tiny_lorify import Reader

from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.reports.summaries import summarize
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.registry import parse_suite

SHORT = "Answer the following question. Output only the answer and do not output any other words.\n\nQuestion: "


@pytest.fixture
def squad(tmp_path) -> Path:
    """40 questions about 20 passages, two about each."""
    path = tmp_path / "squad.jsonl"
    rows = [
        {"context": f"The mill {i // 2} opens at nine.", "question": f"When does mill {i} open?",
         "answers": {"text": ["nine", "at nine", "nine"]}}
        for i in range(40)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_questions_are_drawn_from_the_whole_split_and_asked_in_the_published_words(squad):
    cases = parse_suite(f"d2l:path={squad}:questions=12").build(Reader())
    order = [int(i) for i in np.random.RandomState(42).permutation(40)[:12]]
    assert [case.id for case in cases] == [f"squad-{i}" for i in order]
    for case, i in zip(cases, order, strict=True):
        assert case.documents == (f"The mill {i // 2} opens at nine.",)
        (question,) = case.questions
        assert question.text == f"{SHORT}When does mill {i} open?" and question.answers == ("nine", "at nine")
        assert case.metric == "qa_f1"
    assert parse_suite("d2l").max_new_tokens == 256


@pytest.mark.parametrize(
    ("name", "row", "beginning", "metric"),
    [
        ("drop", {"passage": "P", "question": "Q", "answers_spans": {"spans": ["x"]}}, SHORT, "qa_f1"),
        ("ropes", {"background": "P", "situation": "S", "question": "Q", "answers": {"text": ["x"]}}, SHORT, "qa_f1"),
        ("pwc", {"input": "P", "prompt": "Q", "answer": "x"}, "", "rouge_l_stemmed"),
        ("qasper_e", {"context": "P", "input": "Q", "answers": ["x"]}, "Answer the question as concisely", "qa_f1"),
        ("2wikimqa_e", {"context": "P", "input": "Q", "answers": ["x"]},
         "Answer the following question. Only output the answer", "qa_f1"),
    ],
)  # fmt: skip
def test_each_set_has_its_words_and_its_score(tmp_path, name, row, beginning, metric):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (case,) = parse_suite(f"d2l:dataset={name}:path={path}").build(Reader())
    text = case.questions[0].text
    assert text.startswith(beginning) and text.endswith("Question: Q" if beginning else "Q")
    assert case.metric == metric


def test_the_question_or_another_text_can_be_internalized(squad, tmp_path):
    (flipped,) = parse_suite(f"d2l:path={squad}:questions=1:flipped=true").build(Reader())
    assert flipped.documents[0].startswith(SHORT) and flipped.questions[0].text.startswith("The mill")
    assert flipped.condition == "question internalized"
    (assistant,) = parse_suite(f"d2l:path={squad}:questions=1:context=assistant").build(Reader())
    assert assistant.documents == ("You are a useful AI assistant.",)
    assert assistant.questions[0].text.startswith(SHORT) and "assistant" in assistant.condition
    novel = tmp_path / "addison.txt"
    novel.write_text("Many a Will Wimble trained dogs.")
    (other,) = parse_suite(f"d2l:path={squad}:questions=1:context={novel}").build(Reader())
    assert other.documents == ("Many a Will Wimble trained dogs.",) and "addison" in other.condition
    with pytest.raises(EvaluationError, match="give own, assistant, or a text file"):
        parse_suite(f"d2l:path={squad}:context={tmp_path / 'absent.txt'}").build(Reader())


def test_the_table_has_the_published_scores_beside_those_of_the_prompt(squad):
    model = Reader()
    cases = parse_suite(f"d2l:path={squad}:questions=3").build(model)
    methods = parse_methods("icl,adapter")
    answers = answer_cases(model, cases, methods, max_new_tokens=4, timed=False)
    rows = {row["method"]: row for row in summarize(answers)}
    assert rows["icl"]["score"] == rows["icl"]["score_relative"] == 1.0
    assert (rows["adapter"]["precision"], rows["adapter"]["recall"]) == (1, 1)
    assert {answer.metric for answer in answers} == {"qa_f1"}
