import random

import pytest

from lorify.data.facts.kinds import entity_kinds
from lorify.data.facts.layouts import write_document
from lorify.data.facts.names import Names, name_pools
from lorify.data.facts.plan import plan_document


@pytest.mark.parametrize("split", name_pools())
def test_an_entity_has_one_value_per_relation_and_the_document_has_both(split):
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
                assert fact.value_type == "yesno" or fact.value in document
                assert all(fact.subject in question for question in fact.questions)


def test_five_hundred_documents_use_all_relations():
    seen: set[str] = set()
    for seed in range(500):
        rng = random.Random(seed)
        groups = plan_document(Names(rng, "train"), rng.randint(6, 16))
        seen |= {fact.relation for group in groups if group.entity for fact in group.facts}
    assert seen == {f"{kind.name}.{relation.name}" for kind in entity_kinds() for relation in kind.relations}
