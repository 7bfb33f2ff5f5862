import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.layouts import write_document
from lorify.data.facts.names import POOLS, Names
from lorify.data.facts.plan import plan_document
from lorify.data.facts.values import WORDS, alternatives, draw_value
from lorify.data.facts.world import FILLERS, KINDS, LISTINGS

YES_NO = {"Yes", "No"}


def examples(count: int, **options):
    return [generate_fact_example(random.Random(seed), **options) for seed in range(count)]


def test_the_same_chance_gives_the_same_example():
    assert generate_fact_example(random.Random(5), num_documents=2) == generate_fact_example(
        random.Random(5), num_documents=2
    )


@pytest.mark.parametrize("options", [{}, {"split": "heldout"}, {"num_documents": 3, "num_questions": 40}])
def test_every_answer_is_in_a_document_word_for_word(options):
    for example in examples(150, **options):
        for question in example.questions:
            answer = question.answers[0]
            assert answer in YES_NO or any(answer in document for document in example.documents), question


def test_sizes_follow_the_options():
    for example in examples(60, num_documents=2, num_questions=5):
        assert len(example.documents) == 2 and len(example.questions) == 5 and example.source == "facts"
    for example in examples(30, num_facts=(2, 3), num_questions=50):
        assert 2 <= len(example.questions) <= 3


def test_documents_are_short_texts():
    lengths = sorted(len(example.documents[0].split()) for example in examples(300))
    assert lengths[0] >= 50 and lengths[-1] <= 280
    assert lengths[-15] - lengths[15] > 60


def test_no_question_is_asked_twice_in_an_example():
    for example in examples(100, num_documents=3, num_questions=100):
        texts = [question.text for question in example.questions]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("split", POOLS)
def test_a_subject_has_one_value_for_a_relation_and_both_are_in_the_document(split):
    for seed in range(100):
        rng = random.Random(seed)
        names = Names(rng, split)
        seen = set()
        for _ in range(3):
            groups = plan_document(names, rng.randint(1, 18))
            document = write_document(names, groups)
            entities = [group.heading for group in groups]
            assert len(set(entities)) == len(entities)
            for fact in (fact for group in groups for fact in group.facts):
                assert (fact.subject, fact.relation) not in seen
                seen.add((fact.subject, fact.relation))
                assert fact.subject in document
                assert fact.maker == "yesno" or fact.value in document
                assert all(fact.subject in question for question in fact.questions)


def test_the_splits_share_no_name_part():
    train, heldout = POOLS["train"], POOLS["heldout"]
    parts = [{*pool.feminine, *pool.masculine, *pool.surnames, *pool.towns, *pool.stems()} for pool in (train, heldout)]
    assert not parts[0] & parts[1]
    assert len(train.feminine + train.masculine) >= 200
    assert len(train.surnames) >= 250
    assert len(train.towns) >= 150


def test_many_documents_do_not_run_out_of_names():
    example = generate_fact_example(random.Random(0), split="heldout", num_documents=120, num_questions=2000)
    assert len(example.documents) == 120 and len(example.questions) > 700


def test_there_are_many_relations_and_each_can_be_said_and_asked_in_several_ways():
    relations = [relation for kind in KINDS for relation in kind.relations]
    assert len(relations) >= 150
    for relation in relations:
        if relation.value == "yesno":
            assert len(relation.statements) >= 2 and len(relation.denials) >= 2
        else:
            assert len(relation.statements) >= 4
        assert len(relation.questions) >= 5
    for listing in LISTINGS:
        assert len(listing.openings) >= 3 and len(listing.questions) >= 5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_phrase_serves_two_relations_of_a_kind(kind):
    for phrases in ("statements", "questions", "inverse_questions"):
        counts = Counter(phrase for relation in kind.relations for phrase in getattr(relation, phrases))
        assert not [phrase for phrase, count in counts.items() if count > 1]
    assert len({relation.name for relation in kind.relations}) == len(kind.relations)
    assert len({relation.label for relation in kind.relations}) == len(kind.relations)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_phrase_is_a_whole_sentence_about_the_entity(kind):
    for relation in kind.relations:
        for phrase in (*relation.statements, *relation.denials):
            assert re.search(r"\{[sop]\}", phrase) and phrase.endswith(".")
        for phrase in relation.questions:
            assert re.search(r"\{[sp]\}", phrase) and phrase.endswith(("?", ".")) and phrase[0].isupper()
        for phrase in relation.inverse_questions:
            assert "{v}" in phrase and not re.search(r"\{[sop]\}", phrase)
    assert len(kind.fillers) >= 5
    assert all(re.fullmatch(r"[A-Z{][^/=*]+\.", filler) for filler in kind.fillers)


def test_every_value_can_be_drawn():
    names = Names(random.Random(0), "train")
    specifications = [relation.value for kind in KINDS for relation in kind.relations if relation.value != "yesno"]
    specifications += [kind.entity for kind in KINDS if kind.name != "person"]
    specifications += [slot for filler in FILLERS for slot in re.findall(r"<([^>]+)>", filler)]
    assert all(re.fullmatch(r"\w[^,]*\w", word) for words in WORDS.values() for word in words)
    assert all(draw_value(names, specification).strip() for specification in specifications)


def test_five_hundred_examples_show_all_relations_and_hardly_any_document_twice():
    seen: set[str] = set()
    for seed in range(500):
        rng = random.Random(seed)
        groups = plan_document(Names(rng, "train"), rng.randint(6, 16))
        seen |= {fact.relation for group in groups if group.entity for fact in group.facts}
    assert seen == {f"{kind.name}.{relation.name}" for kind in KINDS for relation in kind.relations}
    documents = {example.documents[0] for example in examples(500)}
    assert len(documents) > 0.95 * 500


@pytest.mark.parametrize(
    ("is_form", "least"),
    [
        (lambda text: "| Name |" in text, 3),
        (lambda text: "\n- " in text or "\n* " in text, 20),
        (lambda text: "Subject: " in text or "MEMO" in text, 10),
        (lambda text: re.search(r"^[A-Z][^.\n]+: [^\n]+$", text, re.MULTILINE) is not None, 20),
    ],
    ids=["table", "bullets", "memo", "properties"],
)
def test_documents_come_in_several_forms(is_form: Callable[[str], bool], least: int):
    assert sum(is_form(example.documents[0]) for example in examples(400)) >= least


@pytest.mark.parametrize(
    ("value", "question", "expected"),
    [
        ("Lisbon", "Where?", ("Lisbon",)),
        ("12,500", "How many?", ("12,500", "12500")),
        ("37 kg", "How heavy is it?", ("37 kg",)),
        ("37 kg", "How many kg is it?", ("37 kg", "37")),
        ("Dr. Ines Varga", "Who?", ("Dr. Ines Varga", "Ines Varga")),
        ("March 4, 1987", "When?", ("March 4, 1987",)),
        ("three", "How many?", ("three", "3")),
        ("3", "How many?", ("3", "three")),
        ("a strike", "Why?", ("a strike", "strike")),
    ],
)
def test_other_ways_to_write_an_answer_count(value, question, expected):
    assert alternatives(value, question) == expected
