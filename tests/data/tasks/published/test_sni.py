from lorify.data.tasks.published.sni import sni_training_tasks


def test_the_published_split_has_479_tasks():
    assert len(sni_training_tasks()) == 479
    assert 39 not in sni_training_tasks(), "overlaps with a benchmark"
