import random
import re

from lorify.data.facts.single_entity import generate_single_entity_example


def portraits(count: int, **options):
    return [generate_single_entity_example(random.Random(seed), **options) for seed in range(count)]


def test_the_same_chance_gives_the_same_portrait():
    assert portraits(3) == portraits(3)


def test_every_answer_is_in_the_document_word_for_word():
    for example in portraits(200, num_questions=20):
        (document,) = example.documents
        for question in example.questions:
            assert question.answers[0] in {"Yes", "No"} or question.answers[0] in document, (document, question)


def test_the_thing_is_named_in_the_title_and_the_first_sentence_only():
    seen = 0
    for document in (document for e in portraits(600) for document in e.documents):
        if found := re.search(
            r"\bthe (museum|library|hotel|theatre|hospital|festival|fair|choir|stew|cake)\b", document
        ):
            seen += 1
            name = re.search(rf"\w+ {found.group(1).capitalize()}", document)
            assert name is not None and 1 <= document.count(name.group()) <= 2, document
    assert seen > 20


def test_questions_name_the_thing_or_call_it_what_the_document_calls_it():
    questions = [question.text for example in portraits(300) for question in example.questions]
    assert any(re.search("the (museum|library|hotel|theatre)", text) for text in questions)
    assert any(re.search(" (Museum|Library|Hotel|Theatre)", text) for text in questions)
    assert len(set(questions)) > len(questions) / 2


def test_held_out_portraits_have_other_names():
    train = {word for e in portraits(80) for word in e.documents[0].replace(".", " ").split() if word[0].isupper()}
    heldout = [q.answers[0] for e in portraits(80, split="heldout") for q in e.questions if q.text.startswith("Who ")]
    people = [answer for answer in heldout if len(answer.split()) == 2]
    assert len(people) > 10
    assert not [name for name in people if set(name.split()) <= train]
