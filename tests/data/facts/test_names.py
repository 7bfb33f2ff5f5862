from lorify.data.facts.names import name_pools


def test_the_splits_share_no_part_of_a_name():
    train, heldout = name_pools()["train"], name_pools()["heldout"]
    parts = [{*pool.feminine, *pool.masculine, *pool.surnames, *pool.towns, *pool.stems()} for pool in (train, heldout)]
    assert not parts[0] & parts[1]
    assert len(train.feminine + train.masculine) >= 200
    assert len(train.surnames) >= 250
    assert len(train.towns) >= 150
