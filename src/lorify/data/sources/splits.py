"""Split texts into training and held-out ones, keeping near duplicates together."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence

from lorify.data.examples import Example
from lorify.errors import EvaluationError

SHINGLE_WORDS = 8
"""Texts that share a run of this many words stay together.

Runs of eight words are rare outside copied text; with six, stock phrases chain a tenth of a mixed corpus into one
group.
"""
SHINGLE_SAMPLING = 4
"""Only runs that start with one of a quarter of all words are compared, to save time and memory."""

_WORD = re.compile(r"[^\W_]+")


def split_by_passage(
    examples: Sequence[Example], heldout_fraction: float = 0.05, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Split examples into training and held-out ones so that no passage, nor a near duplicate of it, is in both.

    Passages that share runs of eight words (ignoring case and punctuation), directly or through other passages, form a
    group, and a group is never divided. Since only a quarter of all runs is compared, a shared sentence or two is
    nearly always found, a single shared run one time in four. This keeps retellings, windows and reprints of a text
    together, but not different paragraphs of one article; hold out whole sources where that matters.

    The split depends on the texts only, not on their order or on added passages that join no group. One exception: if
    there are two or more groups, each side gets at least one, unless none or all are to be held out.

    Args:
        examples: examples to split; 25,000 take a few seconds on one core.
        heldout_fraction: approximate fraction of the groups to hold out, from 0 to 1.
        seed: a different seed gives a different split.

    Returns:
        Training examples and held-out examples, each in the given order.

    Raises:
        EvaluationError: if `heldout_fraction` is not from 0 to 1.
    """
    heldout = heldout_texts(["\n".join(example.documents) for example in examples], heldout_fraction, seed)
    train = [example for example, is_heldout in zip(examples, heldout, strict=True) if not is_heldout]
    return train, [example for example, is_heldout in zip(examples, heldout, strict=True) if is_heldout]


def heldout_texts(texts: Sequence[str], heldout_fraction: float = 0.05, seed: int = 0) -> list[bool]:
    """Decide for each text whether it is held out; see `split_by_passage`.

    Raises:
        EvaluationError: if `heldout_fraction` is not from 0 to 1.
    """
    if not 0 <= heldout_fraction <= 1:
        raise EvaluationError(f"held-out fraction {heldout_fraction} is out of range; expected a value from 0 to 1")
    groups = _group_near_duplicates(texts)
    # A group is named by the smallest digest of its texts, hashed again because large groups have smaller digests.
    names: dict[int, bytes] = {}
    for text, group in zip(texts, groups, strict=True):
        digest = hashlib.sha256(text.encode()).digest()
        names[group] = min(names.get(group, digest), digest)
    drawn = sorted((hash_to_unit_interval(name, seed), group) for group, name in names.items())
    heldout = {group for number, group in drawn if number < heldout_fraction}
    if len(drawn) > 1 and 0 < heldout_fraction < 1:
        heldout = (heldout or {drawn[0][1]}) - ({drawn[-1][1]} if len(heldout) == len(drawn) else set())
    return [group in heldout for group in groups]


def hash_to_unit_interval(digest: bytes, seed: int) -> float:
    """Map a digest to a number in [0, 1) that depends only on the digest and the seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:".encode() + digest).digest()[:6]) / 2**48


def _group_near_duplicates(texts: Sequence[str]) -> list[int]:
    """Return the group number of each text; texts that share a sampled run of words are in one group (union-find)."""
    parents = list(range(len(texts)))

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = index = parents[parents[index]]
        return index

    first_seen: dict[int, int] = {}
    starts: dict[str, bool] = {}
    for index, text in enumerate(texts):
        for shingle in _sample_shingles(text, starts):
            parents[find(index)] = find(first_seen.setdefault(shingle, index))
    return [find(index) for index in range(len(texts))]


def _sample_shingles(text: str, starts: dict[str, bool]) -> set[int]:
    """Return hashes of the sampled runs of words, and of the whole text, which may be too short for a run.

    Args:
        text: the text.
        starts: cache of whether runs that start with a word are sampled; the hash is the same in every process.
    """
    words = _WORD.findall(text.lower())
    shingles = {hash(tuple(words))}
    for start in range(len(words) - SHINGLE_WORDS + 1):
        word = words[start]
        if word not in starts:
            starts[word] = zlib.crc32(word.encode()) % SHINGLE_SAMPLING == 0
        if starts[word]:
            shingles.add(hash(tuple(words[start : start + SHINGLE_WORDS])))
    return shingles
