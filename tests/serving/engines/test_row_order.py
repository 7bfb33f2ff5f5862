"""Rows that go on become adjacent, and moving them takes little."""

import random

from lorify.serving.engines.row_order import TOKENS_PER_STEP, RowOrder


def moved(rows: list[str], order: RowOrder, length: int) -> int:
    """Let rows in capitals wait for a step; returns the tokens that were moved."""
    chosen = [index for index, row in enumerate(rows) if row.islower()]
    swaps = order.swaps(chosen, [length] * len(rows))
    for row, other in swaps:
        rows[row], rows[other] = rows[other], rows[row]
    return 2 * length * len(swaps)


def is_adjacent(rows: list[str]) -> bool:
    return "".join(rows).strip("E").islower()


def test_rows_between_others_are_moved_away_once() -> None:
    rows, order = list("ooooEEEEEEEEoooo"), RowOrder()
    steps = [moved(rows, order, 100) for _ in range(12)]
    assert is_adjacent(rows) and sum(steps) == 4 * 200 and steps[-1] == 0
    assert sorted(rows) == sorted("ooooEEEEEEEEoooo")


def test_adjacent_rows_stay_where_they_are() -> None:
    for rows in ("EEoooo", "ooooEE", "EooooE", "oooo", "o"):
        assert moved(list(rows), RowOrder(), 1) == 0


def test_as_rows_come_and_go_the_waiting_ones_stay_together() -> None:
    chance, order = random.Random(0), RowOrder()
    rows = list("oooo" + "E" * 8 + "oooo")
    apart = 0
    for _ in range(200):
        moved(rows, order, 40)
        apart += not is_adjacent(rows)
        if chance.random() < 0.5:  # an answer ends, and its client asks again
            rows[chance.choice([index for index, row in enumerate(rows) if row == "o"])] = rows[-1]
            rows[-1] = "o"
    assert apart < 20


def test_moving_is_limited_however_rows_alternate() -> None:
    chance, order = random.Random(0), RowOrder()
    num_tokens = 0
    for _ in range(300):
        rows = [chance.choice("oE") for _ in range(16)] + ["o"]
        num_tokens += moved(rows, order, 1000)
    assert num_tokens <= 300 * TOKENS_PER_STEP
