from tiny_lorify import Reader

from lorify.evaluation.suites.niah import NiahSuite


def test_a_needle_has_its_length_and_depth():
    cases = NiahSuite(lengths=(300, 600), bins=2).build(Reader())
    assert [(case.length_tokens, case.depth_bin) for case in cases] == [(300, 0), (300, 1), (600, 0), (600, 1)]
