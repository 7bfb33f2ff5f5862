import re
from collections import Counter

import pytest

from lorify.data.facts.kinds import entity_kinds, listings


def test_there_are_many_relations_and_each_has_several_phrasings():
    relations = [relation for kind in entity_kinds() for relation in kind.relations]
    assert len(relations) >= 150
    for relation in relations:
        if relation.value == "yesno":
            assert len(relation.statements) >= 2 and len(relation.denials) >= 2
        else:
            assert len(relation.statements) >= 4
        assert len(relation.questions) >= 5
    for listing in listings():
        assert len(listing.openings) >= 3 and len(listing.questions) >= 5


@pytest.mark.parametrize("kind", entity_kinds(), ids=lambda kind: kind.name)
def test_no_two_relations_of_a_kind_share_a_phrase(kind):
    for phrases in ("statements", "questions", "inverse_questions"):
        counts = Counter(phrase for relation in kind.relations for phrase in getattr(relation, phrases))
        assert not [phrase for phrase, count in counts.items() if count > 1]
    assert len({relation.name for relation in kind.relations}) == len(kind.relations)
    assert len({relation.label for relation in kind.relations}) == len(kind.relations)


@pytest.mark.parametrize("kind", entity_kinds(), ids=lambda kind: kind.name)
def test_every_phrase_is_a_complete_sentence_about_the_entity(kind):
    for relation in kind.relations:
        for phrase in (*relation.statements, *relation.denials):
            assert re.search(r"\{[sop]\}", phrase) and phrase.endswith(".")
        for phrase in relation.questions:
            assert re.search(r"\{[sp]\}", phrase) and phrase.endswith(("?", ".")) and phrase[0].isupper()
        for phrase in relation.inverse_questions:
            assert "{v}" in phrase and not re.search(r"\{[sop]\}", phrase)
    assert len(kind.fillers) >= 5
    assert all(re.fullmatch(r"[A-Z{][^/=*]+\.", filler) for filler in kind.fillers)
