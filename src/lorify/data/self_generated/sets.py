"""All data sets in a folder of self-generated data: in lorify's own layout, the published one, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from lorify.data.examples import Example
from lorify.data.self_generated.published import ChatTokens, PublishedContexts, load_published
from lorify.data.self_generated.store import RECORD_NAME, StoredContexts, load_self_generated
from lorify.errors import EvaluationError


@dataclass(frozen=True)
class SelfGeneratedSets(Sequence[Example]):
    """Contexts with the base's own answers; as a sequence, the contexts of all sets one after the other.

    Attributes:
        own: contexts written by `lorify generate-data`.
        published: the data sets in the published layout.
    """

    own: StoredContexts = field(default_factory=StoredContexts)
    published: tuple[PublishedContexts, ...] = ()

    @property
    def sets(self) -> list[StoredContexts | PublishedContexts]:
        """The contexts of each data set."""
        return [*self.own.by_folder(), *self.published]

    def __len__(self) -> int:
        """Number of contexts."""
        return len(self.own) + sum(map(len, self.published))

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """Read one context, or several.

        Raises:
            EvaluationError: if its shard is damaged.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        for contexts in (self.own, *self.published):
            if index < len(contexts):
                return contexts[index]
            index -= len(contexts)
        raise IndexError(index)

    def split(self) -> tuple[SelfGeneratedSets, SelfGeneratedSets]:
        """Split into training and held-out contexts, each layout by its own rule.

        Raises:
            EvaluationError: if a shard is damaged.
        """
        train, heldout = self.own.split() if len(self.own) else (self.own, self.own)
        parts = [contexts.split() for contexts in self.published]
        return (
            SelfGeneratedSets(train, tuple(part for part, _ in parts)),
            SelfGeneratedSets(heldout, tuple(part for _, part in parts)),
        )


def load_sets(
    root: Path, base_digest: str | None, chat: ChatTokens, *, patterns: Sequence[str] = ()
) -> SelfGeneratedSets:
    """Load the data sets in a folder; each folder of shards is one set.

    Args:
        root: folder of shards, or of folders of shards; shards in the published layout may be at any depth.
        base_digest: digest of the base that gave the answers; None accepts any. The published layout does not
            record it.
        chat: the chat of that base.
        patterns: patterns of the shards to use, relative to `root`; none: all.

    Raises:
        EvaluationError: if there are no shards, a pattern matches none, or a shard is damaged or of another base.
    """
    chosen = {path for pattern in patterns for path in _matches(root, pattern)}
    published = [path for path in chosen or root.rglob("*.parquet") if not (path.parent / RECORD_NAME).exists()]
    has_own = any(path.is_file() for path in (root / RECORD_NAME, *root.glob(f"*/{RECORD_NAME}")))
    if patterns and len(published) == len(chosen):
        own = StoredContexts()
    elif has_own or not published:  # raises an error that says what is missing if there is no data
        own = load_self_generated(root, base_digest, only=chosen or None)
    else:
        own = StoredContexts()
    return SelfGeneratedSets(own, tuple(load_published(root, published, chat)))


def _matches(root: Path, pattern: str) -> list[Path]:
    found = sorted(root.glob(pattern))
    if not found:
        raise EvaluationError(f"no shard in {root} matches {pattern!r}; correct data.self_generated_files")
    return found
