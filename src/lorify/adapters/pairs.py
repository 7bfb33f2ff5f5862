"""LoRA matrices of linear layers, held in memory or rebuilt when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

from torch import Tensor

from lorify.errors import AdapterError

Key = tuple[int, str]
"""Identifies a linear layer: (block index, module name such as `down_proj`)."""


class PairShape(NamedTuple):
    """Shape of a pair: rank r, and input and output features of its linear layer."""

    rank: int
    d_in: int
    d_out: int


@dataclass(frozen=True, eq=False)
class LoraPair:
    """Low-rank weights of one linear layer.

    Attributes:
        A: `[r, d_in]`.
        B: `[d_out, r]`.
    """

    A: Tensor
    B: Tensor

    def __post_init__(self) -> None:
        """Check that the shapes match.

        Raises:
            AdapterError: if they are not two matrices with the same rank of at least 1.
        """
        if self.A.ndim != 2 or self.B.ndim != 2 or self.A.shape[0] != self.B.shape[1] or self.A.shape[0] == 0:
            raise AdapterError(
                f"lora_A {list(self.A.shape)} and lora_B {list(self.B.shape)} do not match; "
                "expected [r, d_in] and [d_out, r]"
            )

    @property
    def rank(self) -> int:
        """Return the rank r of the update."""
        return self.A.shape[0]

    @property
    def shape(self) -> PairShape:
        """Return the rank, and the features of the linear layer."""
        return PairShape(self.A.shape[0], self.A.shape[1], self.B.shape[0])


@dataclass(frozen=True, eq=False)
class RebuiltWeights(Mapping[Key, LoraPair]):
    """Pairs that a hypernetwork computes from an adapter's statistics whenever they are needed.

    `A` is the same for all documents and `B` is computed from the statistics, so adapters store neither in memory nor
    on disk. Exports have both.

    Attributes:
        shapes: key -> shape of its pair.
        rebuild: computes all pairs.
        recent: keeps the most recently rebuilt pairs; shared by all adapters of a hypernetwork. By default the pairs
            are kept as long as this object.
    """

    shapes: Mapping[Key, PairShape]
    rebuild: Callable[[], Mapping[Key, LoraPair]]
    recent: RecentPairs = field(default_factory=lambda: RecentPairs(max_adapters=1))

    def __hash__(self) -> int:
        """Hash by identity: mappings have no hash, and two adapters never have the same pairs."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """Compare by identity, since comparing the pairs would rebuild them."""
        return self is other

    def __getitem__(self, key: Key) -> LoraPair:
        """Return one pair; all are rebuilt together."""
        if key not in self.shapes:
            raise KeyError(key)
        return self.recent.of(self)[key]

    def __contains__(self, key: object) -> bool:
        """Return whether there is a pair for this key."""
        return key in self.shapes

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys."""
        return iter(self.shapes)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.shapes)


class RecentPairs:
    """The pairs of the most recently rebuilt adapters, since several callers read the pairs of one adapter in turn.

    Thread-safe. The pairs of an adapter are dropped with it.
    """

    def __init__(self, max_adapters: int = 4) -> None:
        """Start empty.

        Args:
            max_adapters: number of adapters whose pairs are kept.
        """
        self._max_adapters = max_adapters
        self._pairs: WeakKeyDictionary[RebuiltWeights, Mapping[Key, LoraPair]] = WeakKeyDictionary()
        self._lock = Lock()

    def of(self, weights: RebuiltWeights) -> Mapping[Key, LoraPair]:
        """Return the pairs of an adapter; rebuild them if they are not kept."""
        with self._lock:
            if (pairs := self._pairs.pop(weights, None)) is not None:
                self._pairs[weights] = pairs  # move it to the end: dictionaries keep insertion order
                return pairs
        pairs = weights.rebuild()
        with self._lock:
            self._pairs[weights] = pairs
            while len(self._pairs) > self._max_adapters:
                self._pairs.pop(next(self._pairs.keys()), None)
        return pairs
