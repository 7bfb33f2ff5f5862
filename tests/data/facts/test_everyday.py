import random

from lorify.data.answers import NOT_STATED, contains_answer
from lorify.data.facts.everyday import QUESTION_KINDS, generate_everyday_example


def examples(split="train", number=40):
    return [
        generate_everyday_example(random.Random(seed), split=split, num_questions=len(QUESTION_KINDS))
        for seed in range(number)
    ]


def test_every_document_has_a_question_of_every_kind():
    for example in examples():
        assert {question.kind for question in example.questions} == set(QUESTION_KINDS)
    assert examples(number=3) == examples(number=3)


def test_answers_are_in_the_document_where_they_are_quoted_and_declined_where_it_does_not_say():
    verdicts = set()
    for example in examples():
        for question in example.questions:
            (answer,) = question.answers[:1]
            if question.kind in ("short", "quantity", "choice", "reason"):
                assert contains_answer(example.documents[0], [answer]), question
            elif question.kind == "list":
                assert all(contains_answer(example.documents[0], [part]) for part in answer.split(" and ")), question
            elif question.kind == "yes_no":
                verdicts.add(answer)
            elif question.kind == "absent":
                assert answer == NOT_STATED
    assert verdicts == {"Yes", "No"}


def test_a_choice_names_both_answers():
    for example in examples():
        (question,) = (question for question in example.questions if question.kind == "choice")
        assert question.answers[0] in question.text and " or " in question.text


def test_names_of_held_out_documents_are_never_trained_on():
    trained, heldout = (
        {e.questions[[q.kind for q in e.questions].index("summary")].answers[0] for e in examples(split)}
        for split in ("train", "heldout")
    )
    assert trained.isdisjoint(heldout)
