"""Which rows go on: owners get equal parts of the time, and nobody waits for nothing."""

from collections import Counter

import pytest

from lorify.serving.engines.row_shares import RowShares


def decoded_tokens(
    owners: str, *, step: float, row: float, seconds: float, shares: RowShares | None = None
) -> Counter[str]:
    """Tokens of each owner in a time, where a step with `n` rows takes `step + n * row` seconds.

    Args:
        owners: a letter for each row.
    """
    shares = shares or RowShares()
    tokens: Counter[str] = Counter()
    while seconds > 0:
        chosen = shares.choose(owners)
        tokens.update(owners[index] for index in chosen)
        took = step + len(chosen) * row
        shares.charge(owners, chosen, took)
        seconds -= took
    return tokens


@pytest.mark.parametrize("step", [0.0, 0.5, 4.5])
@pytest.mark.parametrize("num_rows", [2, 8, 24])
def test_many_rows_of_one_owner_cost_the_others_little(step: float, num_rows: int) -> None:
    others = "abcdefgh"
    alone = decoded_tokens(others, step=step, row=1.0, seconds=3000)
    beside = decoded_tokens(others[:4] + "E" * num_rows + others[4:], step=step, row=1.0, seconds=3000)
    assert min(beside[owner] / alone[owner] for owner in others) > 0.85
    assert beside["E"] > 0.85 * beside["a"], "and it still gets its part"


def test_two_owners_share_the_time_not_the_rows() -> None:
    tokens = decoded_tokens("a" + "E" * 8, step=0.0, row=1.0, seconds=9000)
    assert tokens["a"] == pytest.approx(tokens["E"], rel=0.05)


@pytest.mark.parametrize("owners", ["E" * 8, "abcdefgh", "aabbcc"])
def test_nobody_waits_for_owners_with_as_many_rows(owners: str) -> None:
    shares = RowShares()
    for _ in range(50):
        assert shares.choose(owners) == list(range(len(owners)))
        shares.charge(owners, range(len(owners)), 1.0)


def test_ending_its_rows_does_not_free_an_owner_of_its_debt() -> None:
    shares = RowShares()
    many, few = "abcd" + "E" * 8, "abcd"
    shares.charge(many, range(len(many)), 12.0)
    shares.charge(few, range(len(few)), 0.1)
    assert shares.choose(many) == [0, 1, 2, 3]
