import json

from tiny_lorify import Reader

from lorify.data.answers import contains_answer
from lorify.evaluation.suites.registry import parse_suite


def test_deleted_sentences_leave_no_answer_and_swapped_questions_are_about_other_documents(tmp_path):
    rows = [
        {
            "context": f"The {name} mill was built long ago beside the river. Many people work in it every day. "
            "In winter it stands still, as the river is frozen then. In spring the wheel is oiled and painted. "
            f"Its owner is called Mr {name}son, and nobody knows why it has a red roof.",
            "question": f"Who owns the {name} mill?",
            "answers": [f"Mr {name}son"],
        }
        for name in ("Ada", "Bo", "Cy")
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cases = parse_suite(f"unanswerable:path={path}").build(Reader())
    assert len(cases) == 6
    kinds = {question.kind for case in cases for question in case.questions}
    assert kinds == {"given", "deleted", "swapped"}
    answers = {row["question"]: row["answers"] for row in rows}
    for case in cases:
        for question in case.questions:
            holds = contains_answer(case.documents[0], answers[question.text])
            assert holds == (question.kind == "given"), question


def test_generated_facts_are_asked_by_default():
    cases = parse_suite("unanswerable:documents=2").build(Reader())
    metrics = {question.kind: question.metric for case in cases for question in case.questions}
    assert metrics["given"] == "f1" and metrics["swapped"] == "declined"
