import random
import re

from lorify.data.facts.single_entity import generate_single_entity_example


def examples(count: int, **options):
    return [generate_single_entity_example(random.Random(seed), **options) for seed in range(count)]


def test_the_same_seed_gives_the_same_example():
    assert examples(3) == examples(3)


def test_every_answer_is_verbatim_in_the_document():
    for example in examples(200, num_questions=20):
        (document,) = example.documents
        for question in example.questions:
            assert question.answers[0] in {"Yes", "No"} or question.answers[0] in document, (document, question)


def test_only_the_title_and_the_first_sentence_name_the_entity():
    num_checked = 0
    nouns = r"\bthe (museum|library|hotel|theatre|hospital|festival|fair|choir|stew|cake)\b"
    for document in (document for example in examples(600) for document in example.documents):
        if found := re.search(nouns, document):
            num_checked += 1
            name = re.search(rf"\w+ {found.group(1).capitalize()}", document)
            assert name is not None and 1 <= document.count(name.group()) <= 2, document
    assert num_checked > 20


def test_questions_name_the_entity_or_refer_to_it_as_the_document_does():
    questions = [question.text for example in examples(300) for question in example.questions]
    assert any(re.search("the (museum|library|hotel|theatre)", text) for text in questions)
    assert any(re.search(" (Museum|Library|Hotel|Theatre)", text) for text in questions)
    assert len(set(questions)) > len(questions) / 2


def test_held_out_examples_have_other_names():
    documents = [example.documents[0] for example in examples(80)]
    train = {word for text in documents for word in text.replace(".", " ").split() if word[0].isupper()}
    questions = [question for example in examples(80, split="heldout") for question in example.questions]
    answers = [question.answers[0] for question in questions if question.text.startswith("Who ")]
    people = [answer for answer in answers if len(answer.split()) == 2]
    assert len(people) > 10
    assert not [name for name in people if set(name.split()) <= train]
