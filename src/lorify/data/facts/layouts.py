"""How a fact document is written: the sentences of each group of facts, fillers between them, and the layout."""

import random
import re
from collections.abc import Sequence

from lorify.data.facts.names import Names
from lorify.data.facts.plan import Entity, Group, Reference, capitalized, fill_phrase
from lorify.data.facts.values import draw_value
from lorify.data.facts.world import FILLERS

# Fillers bring a document to at least this many words, and to at most this many times the length of its facts.
MIN_WORDS, MAX_GROWTH = 60, 1.5

_SLOT = re.compile(r"<([^>]+)>")


def write_document(names: Names, groups: list[Group]) -> str:
    """The document that says all facts of the groups, in a layout drawn by chance.

    Args:
        names: draws names for what is said beside the facts, and chance.
        groups: facts; each entity in one group only.
    """
    entities = [group.entity for group in groups if group.entity]
    comparable = len(entities) > 1 and len({entity.kind.name for entity in entities}) == 1
    layouts = {
        _lay_out_article: 5,
        _lay_out_sections: 2,
        _lay_out_bullets: 2,
        _lay_out_properties: 2,
        _lay_out_notes: 2,
        _lay_out_memo: 2,
        _lay_out_announcement: 2,
        _lay_out_news: 2,
        _lay_out_comparison: 4 if comparable else 0,
        _lay_out_table: 2 if comparable else 0,
    }
    layout = names.rng.choices(list(layouts), list(layouts.values()))[0]
    return layout(names, groups)


def _write_group(names: Names, group: Group, *, full_only: bool = False) -> list[str]:
    """The sentences of a group; after the first mention an entity may be a pronoun, a short name or a noun."""
    rng, entity = names.rng, group.entity
    if entity is None:
        return [group.listing]
    sentences: list[str] = []
    joinable = False
    for index, fact in enumerate(group.facts):
        template = rng.choice(fact.statements)
        previous = group.facts[index - 1].maker if index else ""
        # After another name of the same sort, a pronoun or a noun would be in doubt.
        doubtful = previous == entity.kind.entity.split()[0]
        reference = entity.full if not index or full_only else _refer(rng, entity, template, doubtful)
        sentence = fill_phrase(template, reference, fact.value)
        if joinable and reference is entity.pronoun and template.startswith(("{s}", "{p}")) and rng.random() < 0.5:
            sentences[-1] = sentences[-1].removesuffix(".") + rng.choice((", and ", "; ")) + sentence
            joinable = False
        else:
            sentences.append(capitalized(sentence))
            joinable = len(sentence) < 70
    return sentences


def _refer(rng: random.Random, entity: Entity, template: str, doubtful: bool) -> Reference:
    choice = rng.random()
    if choice < 0.3:
        return entity.full
    if choice < 0.65 and not doubtful and "{o}" not in template:
        return entity.pronoun
    if doubtful and entity.kind.name != "person":
        return entity.full
    return rng.choice(entity.shorts)


def write_filler(names: Names, phrase: str) -> str:
    """The sentence of a filler, its slots filled with values drawn by chance."""
    return capitalized(_SLOT.sub(lambda slot: draw_value(names, slot[1]), phrase))


def _draw_fillers(names: Names, groups: Sequence[Group], num_words: int) -> list[tuple[str, int]]:
    """Fillers that bring a document of `num_words` words to a random length, each with its group's index.

    A filler about an entity belongs to that entity's group, any other to one drawn by chance.
    """
    rng, fillers = names.rng, list[tuple[str, int]]()
    target = max(MIN_WORDS, num_words * rng.uniform(1, MAX_GROWTH))
    pool = [(filler, rng.randrange(len(groups))) for filler in FILLERS]
    for index, group in enumerate(groups):
        if group.entity:
            pool += [(fill_phrase(filler, group.entity.full), index) for filler in group.entity.kind.fillers]
    rng.shuffle(pool)
    while pool and num_words < target:
        phrase, index = pool.pop()
        filler = write_filler(names, phrase)
        num_words += len(filler.split())
        fillers.append((filler, index))
    return fillers


def _write_paragraphs(names: Names, groups: Sequence[Group], *, full_only: bool = False) -> list[list[str]]:
    """The sentences of each group, with fillers after a group's first sentence."""
    paragraphs = [_write_group(names, group, full_only=full_only) for group in groups]
    num_words = sum(len(sentence.split()) for paragraph in paragraphs for sentence in paragraph)
    for filler, index in _draw_fillers(names, groups, num_words):
        entity, paragraph = groups[index].entity, paragraphs[index]
        # What comes after a filler, which may be about something else, must name the entity in full.
        clear = [place for place in range(1, len(paragraph)) if entity and entity.name in paragraph[place]]
        paragraph.insert(names.rng.choice([*clear, len(paragraph)]), filler)
    return paragraphs


def _closing_remarks(names: Names, groups: Sequence[Group], listings: Sequence[str], num_words: int) -> list[str]:
    """The listings and fillers as one paragraph; no paragraph if there are none."""
    remarks = [*listings, *(filler for filler, _ in _draw_fillers(names, groups, num_words))]
    return [" ".join(remarks)] if remarks else []


def _body(names: Names, groups: Sequence[Group]) -> str:
    separator = names.rng.choice(("\n\n", "\n\n", "\n"))
    return separator.join(" ".join(paragraph) for paragraph in _write_paragraphs(names, groups))


def _lay_out_article(names: Names, groups: list[Group]) -> str:
    title = names.rng.choice(("", groups[0].heading + "\n\n", f"# {groups[0].heading}\n\n"))
    return title + _body(names, groups)


def _lay_out_sections(names: Names, groups: list[Group]) -> str:
    form = names.rng.choice(("{}. {}", "## {1}", "Section {}: {}", "{1}\n------"))
    paragraphs = _write_paragraphs(names, groups)
    sections = [
        form.format(index, group.heading) + "\n" + " ".join(paragraph)
        for index, (group, paragraph) in enumerate(zip(groups, paragraphs, strict=True), 1)
    ]
    return "\n\n".join(sections)


def _lay_out_bullets(names: Names, groups: list[Group]) -> str:
    mark = names.rng.choice(("- ", "* ", "• ", ""))
    paragraphs = _write_paragraphs(names, groups, full_only=names.rng.random() < 0.6)
    return "\n".join(mark + sentence for paragraph in paragraphs for sentence in paragraph)


def _lay_out_properties(names: Names, groups: list[Group]) -> str:
    rng = names.rng
    form = rng.choice(("{}: {}", "- {}: {}", "{} - {}", "* **{}**: {}"))
    blocks = [
        [
            rng.choice(("", "Name: ")) + group.heading,
            *(form.format(fact.label, fact.shown_value) for fact in group.facts),
        ]
        for group in groups
    ]
    num_words = sum(len(line.split()) for block in blocks for line in block)
    remarks = _closing_remarks(names, groups, (), num_words)
    return "\n\n".join([*("\n".join(block) for block in blocks), *remarks])


def _lay_out_notes(names: Names, groups: list[Group]) -> str:
    """All sentences in no order, every one with the full name."""
    paragraphs = _write_paragraphs(names, groups, full_only=True)
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
    names.rng.shuffle(sentences)
    return " ".join(sentences)


def _lay_out_memo(names: Names, groups: list[Group]) -> str:
    rng = names.rng
    sender, receiver = names.person(), names.person()
    greeting = rng.choice(("Dear {},", "Hello {},", "{},")).format(rng.choice((receiver.first, receiver.full)))
    opening = rng.choice(
        (
            "Here is what you asked for.",
            "As promised, a few notes.",
            "Please pass this on to those who need it.",
            "I have put together what we know so far.",
            "Before the meeting, some points to keep in mind.",
        )
    )
    closing = rng.choice(("Best regards,", "Yours,", "With thanks,", "See you soon,"))
    header = rng.choice(
        (
            f"From: {sender.full}\nTo: {receiver.full}\nSubject: {groups[0].heading}\n\n",
            f"MEMO\nTo: {receiver.full}\nFrom: {sender.full}\nDate: {draw_value(names, 'date')}\n\n",
            "",
        )
    )
    body = _body(names, groups)
    return f"{header}{greeting}\n\n{opening} {body}\n\n{closing}\n{rng.choice((sender.first, sender.full))}"


def _lay_out_announcement(names: Names, groups: list[Group]) -> str:
    rng = names.rng
    opening = rng.choice(
        (
            "NOTICE TO ALL",
            "Announcement",
            "We are pleased to share the following news.",
            "For immediate release",
            "Public notice no. " + draw_value(names, "extension"),
        )
    )
    closing = rng.choice(
        (
            "Thank you for your attention.",
            "We look forward to seeing you.",
            "This notice replaces all earlier ones.",
            "Enquiries will be answered in the order in which they arrive.",
        )
    )
    return f"{opening}\n\n{_body(names, groups)}\n\n{closing}"


def _lay_out_news(names: Names, groups: list[Group]) -> str:
    rng = names.rng
    place, day = draw_value(names, "town"), draw_value(names, "day")
    dateline = rng.choice((f"{place.upper()}, {day} - ", f"{place} ({day}). ", f"By {draw_value(names, 'person')}\n\n"))
    headline = rng.choice(("", f"News in brief: {groups[0].heading}\n\n", f"{groups[0].heading} in the news\n"))
    return headline + dateline + _body(names, groups)


def _lay_out_comparison(names: Names, groups: list[Group]) -> str:
    """Entities of one kind side by side, relation by relation."""
    rng = names.rng
    sentences: list[str] = []
    relations = list(dict.fromkeys(fact.relation for group in groups if group.entity for fact in group.facts))
    for relation in relations:
        said = [
            (group.entity, fact)
            for group in groups
            if group.entity
            for fact in group.facts
            if fact.relation == relation
        ]
        rng.shuffle(said)
        for first in range(0, len(said), 2):
            clauses: list[str] = []
            for entity, fact in said[first : first + 2]:
                template = rng.choice(fact.statements)
                template = (
                    template[0].lower() + template[1:]
                )  # names and values are slots still and keep their capitals
                clauses.append(fill_phrase(template, entity.full, fact.value).removesuffix("."))
            sentences.append(capitalized(rng.choice((", while ", "; ", ", whereas ", ", and ")).join(clauses)) + ".")
    listings = [group.listing for group in groups if not group.entity]
    num_words = sum(len(sentence.split()) for sentence in [*sentences, *listings])
    return "\n\n".join([" ".join(sentences), *_closing_remarks(names, groups, listings, num_words)])


def _lay_out_table(names: Names, groups: list[Group]) -> str:
    """Entities of one kind as the rows of a table."""
    labels = list(dict.fromkeys(fact.label for group in groups if group.entity for fact in group.facts))
    lines = ["| Name | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for group in groups:
        if group.entity:
            values = {fact.label: fact.shown_value for fact in group.facts}
            lines.append(f"| {group.heading} | " + " | ".join(values.get(label, "-") for label in labels) + " |")
    listings = [group.listing for group in groups if not group.entity]
    num_words = sum(len(line.replace("|", "").split()) for line in [*lines, *listings])
    return "\n\n".join(["\n".join(lines), *_closing_remarks(names, groups, listings, num_words)])
