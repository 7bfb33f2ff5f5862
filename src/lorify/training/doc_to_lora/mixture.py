"""Choose the next context: from a list, or in proportion to the number of questions as published.

As published, each question about a context is a separate sample. The data sets are mixed in proportion to their numbers
of questions, but each set makes up at least a hundredth of the samples. Within a set all questions are equally likely.
Stored sets are larger than memory and are read file by file, so a window of batches draws from a few files of each set.

Source: Doc-to-LoRA (arXiv 2602.15902), `get_ds_prob` and `pack` of github.com/SakanaAI/doc-to-lora. Ours differs: draws
are with replacement, so that each batch depends on the seed and its number alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from lorify.data.examples import Example
from lorify.errors import TrainingError

MIN_SHARE = 0.01
WINDOW_SHARDS = 8
"""Files of each set that a window draws from."""

Draw = Callable[[random.Random], Example]


class Shard(Protocol):
    """Some contexts, such as those of one file."""

    @property
    def num_questions(self) -> int:
        """Number of questions, known without reading the contexts."""
        ...

    def __getitem__(self, index: int, /) -> Example:
        """One of the contexts."""
        ...

    def question_counts(self) -> Sequence[int]:
        """Number of questions of each context."""
        ...


class QuestionSet(Protocol):
    """A data set of contexts with questions, divided into shards that are read one at a time."""

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        ...

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, in order."""
        ...


@dataclass(frozen=True)
class ListedShard:
    """Contexts in memory, which are both a shard and a set with this single shard."""

    contexts: Sequence[Example]

    def __getitem__(self, index: int) -> Example:
        """One of the contexts."""
        return self.contexts[index]

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return sum(self.question_counts())

    @property
    def shards(self) -> Sequence[Shard]:
        """A list of this one shard."""
        return [self]

    def question_counts(self) -> list[int]:
        """Number of questions of each context."""
        return [len(example.questions) for example in self.contexts]


def mixture_probabilities(sizes: Sequence[int], min_share: float = MIN_SHARE) -> list[float]:
    """Compute the probability of each set: its share of all samples, but at least `min_share`.

    Sets of at most `min_share` of all samples get `min_share`; the others share the rest in proportion to their sizes.

    Args:
        sizes: number of samples of each set.
        min_share: smallest probability.

    Source: `get_ds_prob` of github.com/SakanaAI/doc-to-lora.
    """
    total = sum(sizes)
    is_small = [size <= min_share * total for size in sizes]
    left = 1 - min_share * sum(is_small)
    large = sum(size for size, small in zip(sizes, is_small, strict=True) if not small)
    return [min_share if small else left * size / large for size, small in zip(sizes, is_small, strict=True)]


def group_questions(lengths: Sequence[int], *, max_tokens: int | None, max_questions: int) -> list[list[int]]:
    """Split the questions about a context into samples, in order.

    A question that is too long on its own is dropped. The others fill one sample after another.

    Args:
        lengths: tokens of each question with its answer.
        max_tokens: maximum number of tokens of a sample; None: no limit.
        max_questions: maximum number of questions of a sample.

    Returns:
        Indices of the questions of each sample.

    Source: `split_too_long_qas` of github.com/SakanaAI/doc-to-lora.
    """
    groups: list[list[int]] = []
    room = 0.0
    for index, length in enumerate(lengths):
        limit = float("inf") if max_tokens is None else max_tokens
        if length > limit:
            continue
        if not groups or length > room or len(groups[-1]) == max_questions:
            groups.append([])
            room = limit
        groups[-1].append(index)
        room -= length
    return groups


class ContextSource(Protocol):
    """A kind of context, with a way to draw them."""

    def window(self, rng: random.Random) -> Draw:
        """Return the function that draws in a window of batches.

        Args:
            rng: makes the choices that apply to the whole window.
        """
        ...


class ByContext(ContextSource):
    """Draws contexts of a list with equal probability."""

    def __init__(self, contexts: Sequence[Example]) -> None:
        """Draw from these contexts."""
        self.contexts = contexts

    def window(self, rng: random.Random) -> Draw:
        """Return the function that draws, which is the same in all windows."""
        del rng
        return lambda draws: draws.choice(self.contexts)


class ByQuestion(ContextSource):
    """Draws contexts of several sets in proportion to their number of questions, as published."""

    def __init__(self, sets: Sequence[QuestionSet]) -> None:
        """Draw from these sets, except those without questions."""
        self.sets = [of_set for of_set in sets if of_set.num_questions]
        self.probabilities = mixture_probabilities([of_set.num_questions for of_set in self.sets])
        self._shards = [list(of_set.shards) for of_set in self.sets]

    def window(self, rng: random.Random) -> Draw:
        """Choose shards of each set and return a function that draws a context from these.

        Args:
            rng: chooses the shards.
        """
        chosen = [_choose_shards(rng, shards) for shards in self._shards]

        def draw(draws: random.Random) -> Example:
            if not self.sets:
                raise TrainingError(
                    "no context has a question to draw; give data with more questions, or set data.sampling to contexts"
                )
            (number,) = draws.choices(range(len(self.sets)), self.probabilities)
            shards, weights = chosen[number]
            (shard,) = draws.choices(shards, weights)
            return shard.draw(draws)

        return draw


@dataclass
class _OpenShard:
    """A shard whose questions are counted at the first draw."""

    shard: Shard
    _ends: list[int] = field(default_factory=list)

    def draw(self, rng: random.Random) -> Example:
        """Draw a context in proportion to its number of questions."""
        if not self._ends:
            self._ends = list(accumulate(self.shard.question_counts()))
        if not self._ends[-1]:  # the number of questions in a file's metadata is slightly too large
            return self.shard[0]
        (index,) = rng.choices(range(len(self._ends)), cum_weights=self._ends)
        return self.shard[index]


def _choose_shards(rng: random.Random, shards: Sequence[Shard]) -> tuple[list[_OpenShard], list[int] | None]:
    """Choose shards of a set for a window, with their weights; None: equal weights."""
    sizes = [shard.num_questions for shard in shards]
    if len(shards) <= WINDOW_SHARDS:
        return [_OpenShard(shard) for shard in shards], sizes
    return [_OpenShard(shard) for shard in rng.choices(shards, sizes, k=WINDOW_SHARDS)], None
