import random

import pytest

from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.names import Names
from lorify.data.facts.plan import plan_document
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.facts.unanswerable import draw_unstated_facts


def test_no_drawn_fact_is_stated_and_both_entities_and_relations_are_swapped():
    seen = set()
    for seed in range(20):
        names = Names(random.Random(seed), "train")
        groups = plan_document(names, 10)
        stated = {(fact.subject, fact.relation) for group in groups for fact in group.facts}
        subjects, relations = ({pair[side] for pair in stated} for side in (0, 1))
        for fact in draw_unstated_facts(names, groups, 4):
            assert (fact.subject, fact.relation) not in stated
            assert fact.subject in subjects or fact.relation in relations
            seen.add((fact.subject in subjects, fact.relation in relations))
    assert {(True, False), (False, True)} <= seen


@pytest.mark.parametrize("generate", [generate_fact_example, generate_single_entity_example])
def test_documents_and_questions_are_the_same_with_and_without_unanswerable_questions(generate):
    for seed in range(10):
        plain, more = (generate(random.Random(seed), num_unanswerable=number) for number in (0, 3))
        assert (plain.documents, plain.questions) == (more.documents, more.questions)
        assert not plain.unanswerable
        assert not set(more.unanswerable) & {question.text for question in more.questions}
