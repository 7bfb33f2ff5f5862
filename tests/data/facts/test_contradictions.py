import random

from lorify.data.facts.contradictions import contradict
from lorify.data.facts.generate import generate_fact_example


def test_contradicting_documents_differ_in_the_answers_only():
    rng = random.Random(3)
    num_differing = 0
    for i in range(10):
        example = generate_fact_example(random.Random(f"rivals/{i}"), split="heldout")
        contradiction = contradict(example, rng)
        for old, new in zip(example.questions, contradiction.questions, strict=True):
            assert old.text == new.text
            if old != new:
                num_differing += 1
                assert new.answers[0] != old.answers[0] and new.answers[0] in contradiction.documents[0]
        assert len(contradiction.documents[0].splitlines()) == len(example.documents[0].splitlines())
    assert num_differing > 40
