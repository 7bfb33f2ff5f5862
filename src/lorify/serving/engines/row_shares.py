"""Which rows of the decoding batch go on: an owner's rows take at most an equal share of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class RowShares:
    """Shares decoding time equally among owners: rows of an owner that has used more than its share wait for a step.

    Each step gives every owner with rows an equal part of its time, and takes from those whose rows were decoded an
    equal part for each row. An owner with more rows than the average who has taken more than it got waits.

    Equal parts ignore what a step takes however many rows it has. The cost of one more row, as the slope of recent
    steps' times, was too noisy beside other load on the machine. Not thread-safe.
    """

    def __init__(self) -> None:
        """Start with equal shares."""
        # Seconds, at most 0, as time that was not used is not saved up. What an owner owes outlasts its rows.
        self._left: dict[str, float] = {}

    def choose(self, owners: Sequence[str]) -> list[int]:
        """Return the indices of the rows to decode now, ascending; at least one.

        Args:
            owners: the owner of each row.
        """
        num_rows = Counter(owners)
        average = len(owners) / len(num_rows)
        waiting = {owner for owner, number in num_rows.items() if number > average and self._left.get(owner, 0.0) < 0}
        return [row for row, owner in enumerate(owners) if owner not in waiting]

    def charge(self, owners: Sequence[str], decoded: Sequence[int], seconds: float) -> None:
        """Divide the time of a decoding step among the owners, and subtract what their decoded rows took.

        Args:
            owners: the owner of each row, as given to `choose`.
            decoded: the rows that were decoded.
            seconds: duration of the step.
        """
        num_decoded = Counter(owners[row] for row in decoded)
        share, cost = seconds / len(set(owners)), seconds / len(decoded)
        left = {
            owner: self._left.get(owner, 0.0) + share - num_decoded[owner] * cost for owner in {*owners, *self._left}
        }
        self._left = {owner: seconds for owner, seconds in left.items() if seconds < 0}
