"""Write the sentences of a fact document: statements of facts, with fillers between them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from lorify.data.facts.entities import Entity, FactGroup, Reference, fill_phrase
from lorify.data.facts.kinds import fillers
from lorify.data.facts.names import Names
from lorify.data.facts.values import draw_value
from lorify.data.text import capitalize_first

MIN_WORDS, MAX_GROWTH = 60, 1.5
"""Fillers extend a document to at least this many words and at most this many times the length of its facts."""
MAX_JOINED_CHARS = 70
"""Sentences with at least this many characters are not joined with the next one."""

_SLOT = re.compile(r"<([^>]+)>")


def write_paragraphs(names: Names, groups: Sequence[FactGroup], *, full_names_only: bool = False) -> list[list[str]]:
    """Write the sentences of each group, with fillers after a group's first sentence.

    Args:
        names: draws the values in fillers, and is the source of randomness.
        groups: the facts.
        full_names_only: use entities' full names in every sentence.
    """
    paragraphs = [_write_group(names, group, full_names_only=full_names_only) for group in groups]
    num_words = sum(len(sentence.split()) for paragraph in paragraphs for sentence in paragraph)
    for filler, index in draw_fillers(names, groups, num_words):
        entity, paragraph = groups[index].entity, paragraphs[index]
        # The filler may be about something else, so the sentence after it must contain the full name.
        positions = [i for i in range(1, len(paragraph)) if entity and entity.name in paragraph[i]]
        paragraph.insert(names.rng.choice([*positions, len(paragraph)]), filler)
    return paragraphs


def _write_group(names: Names, group: FactGroup, *, full_names_only: bool = False) -> list[str]:
    """Write the sentences of a group; after its first mention the entity may be a pronoun, a short name or a noun."""
    rng, entity = names.rng, group.entity
    if entity is None:
        return [group.listing]
    sentences: list[str] = []
    can_join = False
    for index, fact in enumerate(group.facts):
        template = rng.choice(fact.statements)
        previous = group.facts[index - 1].value_type if index else ""
        # After another name of the same type, a pronoun or a noun would be ambiguous.
        is_ambiguous = previous == entity.kind.entity.split()[0]
        use_full_name = not index or full_names_only
        reference = entity.full if use_full_name else _draw_reference(rng, entity, template, is_ambiguous)
        sentence = fill_phrase(template, reference, fact.value)
        if can_join and reference is entity.pronoun and template.startswith(("{s}", "{p}")) and rng.random() < 0.5:
            sentences[-1] = sentences[-1].removesuffix(".") + rng.choice((", and ", "; ")) + sentence
            can_join = False
        else:
            sentences.append(capitalize_first(sentence))
            can_join = len(sentence) < MAX_JOINED_CHARS
    return sentences


def _draw_reference(rng: random.Random, entity: Entity, template: str, is_ambiguous: bool) -> Reference:
    choice = rng.random()
    if choice < 0.3:
        return entity.full
    if choice < 0.65 and not is_ambiguous and "{o}" not in template:
        return entity.pronoun
    if is_ambiguous and entity.kind.name != "person":
        return entity.full
    return rng.choice(entity.shorts)


def write_filler(names: Names, phrase: str) -> str:
    """Write the sentence of a filler, with values drawn for its slots."""
    return capitalize_first(_SLOT.sub(lambda slot: draw_value(names, slot[1]), phrase))


def draw_fillers(names: Names, groups: Sequence[FactGroup], num_words: int) -> list[tuple[str, int]]:
    """Draw fillers that extend a document to a random length, each with the index of its group.

    A filler about an entity belongs to that entity's group, any other to a random one.

    Args:
        names: draws the values in fillers, and is the source of randomness.
        groups: the facts of the document.
        num_words: number of words that the document already has.
    """
    rng, drawn = names.rng, list[tuple[str, int]]()
    target = max(MIN_WORDS, num_words * rng.uniform(1, MAX_GROWTH))
    pool = [(filler, rng.randrange(len(groups))) for filler in fillers()]
    for index, group in enumerate(groups):
        if group.entity:
            pool += [(fill_phrase(filler, group.entity.full), index) for filler in group.entity.kind.fillers]
    rng.shuffle(pool)
    while pool and num_words < target:
        phrase, index = pool.pop()
        filler = write_filler(names, phrase)
        num_words += len(filler.split())
        drawn.append((filler, index))
    return drawn
