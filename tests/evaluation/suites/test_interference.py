from tiny_lorify import Reader

from lorify.evaluation.suites.interference import InterferenceSuite


def test_the_document_with_the_questions_is_kept_among_the_others():
    cases = InterferenceSuite(documents=1, others=(0, 2), contradicting=False).build(Reader())
    alone, together = cases
    assert (alone.condition, together.condition) == ("0 others", "2 others")
    assert len(together.documents) == 3 and alone.documents[0] in together.documents
    assert alone.questions == together.questions


def test_contradicting_versions_contain_both_answers():
    cases = {c.condition: c for c in InterferenceSuite(documents=2, others=(0,)).build(Reader())}
    first, last = cases["contradicted, first version"], cases["contradicted, last version"]
    assert first.documents == last.documents and len(first.documents) == 2
    differing = [(a, b) for a, b in zip(first.questions, last.questions, strict=True) if a.answers != b.answers]
    assert differing and all(a.text == b.text for a, b in differing)
    for a, b in differing:
        assert a.answers[0] in first.documents[0] and b.answers[0] in first.documents[1]
