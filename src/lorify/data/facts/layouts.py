"""Layouts of fact documents: articles, sections, bullets, properties, memos, news, comparisons, tables."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from lorify.data.facts.entities import Fact, FactGroup, fill_phrase
from lorify.data.facts.names import Names
from lorify.data.facts.sentences import draw_fillers, write_paragraphs
from lorify.data.facts.values import draw_value
from lorify.data.text import capitalize_first

Layout = Callable[[Names, Sequence[FactGroup]], str]

_MEMO_OPENINGS = (
    "Here is what you asked for.",
    "As promised, a few notes.",
    "Please pass this on to those who need it.",
    "I have put together what we know so far.",
    "Before the meeting, some points to keep in mind.",
)
_MEMO_CLOSINGS = ("Best regards,", "Yours,", "With thanks,", "See you soon,")
_ANNOUNCEMENT_CLOSINGS = (
    "Thank you for your attention.",
    "We look forward to seeing you.",
    "This notice replaces all earlier ones.",
    "Enquiries will be answered in the order in which they arrive.",
)


def write_document(names: Names, groups: Sequence[FactGroup]) -> str:
    """Write a document that states all facts, in a random layout.

    Args:
        names: draws names and values that are not in the facts, and is the source of randomness.
        groups: the facts; each entity is in one group only.
    """
    entities = [group.entity for group in groups if group.entity]
    are_comparable = len(entities) > 1 and len({entity.kind.name for entity in entities}) == 1
    weights = {
        layout: weight if are_comparable or layout not in _COMPARING else 0 for layout, weight in LAYOUTS.items()
    }
    layout = names.rng.choices(list(weights), list(weights.values()))[0]
    return layout(names, groups)


def _closing_remarks(names: Names, groups: Sequence[FactGroup], listings: Sequence[str], num_words: int) -> list[str]:
    """Write the listings and fillers as one paragraph; no paragraph if there are none."""
    remarks = [*listings, *(filler for filler, _ in draw_fillers(names, groups, num_words))]
    return [" ".join(remarks)] if remarks else []


def _write_body(names: Names, groups: Sequence[FactGroup]) -> str:
    separator = names.rng.choice(("\n\n", "\n\n", "\n"))
    return separator.join(" ".join(paragraph) for paragraph in write_paragraphs(names, groups))


def _lay_out_article(names: Names, groups: Sequence[FactGroup]) -> str:
    title = names.rng.choice(("", groups[0].heading + "\n\n", f"# {groups[0].heading}\n\n"))
    return title + _write_body(names, groups)


def _lay_out_sections(names: Names, groups: Sequence[FactGroup]) -> str:
    form = names.rng.choice(("{}. {}", "## {1}", "Section {}: {}", "{1}\n------"))
    paragraphs = write_paragraphs(names, groups)
    sections = [
        form.format(index, group.heading) + "\n" + " ".join(paragraph)
        for index, (group, paragraph) in enumerate(zip(groups, paragraphs, strict=True), 1)
    ]
    return "\n\n".join(sections)


def _lay_out_bullets(names: Names, groups: Sequence[FactGroup]) -> str:
    mark = names.rng.choice(("- ", "* ", "• ", ""))
    paragraphs = write_paragraphs(names, groups, full_names_only=names.rng.random() < 0.6)
    return "\n".join(mark + sentence for paragraph in paragraphs for sentence in paragraph)


def _lay_out_properties(names: Names, groups: Sequence[FactGroup]) -> str:
    rng = names.rng
    form = rng.choice(("{}: {}", "- {}: {}", "{} - {}", "* **{}**: {}"))
    blocks = [
        [
            rng.choice(("", "Name: ")) + group.heading,
            *(form.format(fact.label, fact.property_value) for fact in group.facts),
        ]
        for group in groups
    ]
    num_words = sum(len(line.split()) for block in blocks for line in block)
    remarks = _closing_remarks(names, groups, (), num_words)
    return "\n\n".join([*("\n".join(block) for block in blocks), *remarks])


def _lay_out_notes(names: Names, groups: Sequence[FactGroup]) -> str:
    """Write all sentences in random order, each with the full name."""
    paragraphs = write_paragraphs(names, groups, full_names_only=True)
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
    names.rng.shuffle(sentences)
    return " ".join(sentences)


def _lay_out_memo(names: Names, groups: Sequence[FactGroup]) -> str:
    rng = names.rng
    sender, receiver = names.person(), names.person()
    greeting = rng.choice(("Dear {},", "Hello {},", "{},")).format(rng.choice((receiver.first, receiver.full)))
    opening, closing = rng.choice(_MEMO_OPENINGS), rng.choice(_MEMO_CLOSINGS)
    header = rng.choice(
        (
            f"From: {sender.full}\nTo: {receiver.full}\nSubject: {groups[0].heading}\n\n",
            f"MEMO\nTo: {receiver.full}\nFrom: {sender.full}\nDate: {draw_value(names, 'date')}\n\n",
            "",
        )
    )
    body = _write_body(names, groups)
    return f"{header}{greeting}\n\n{opening} {body}\n\n{closing}\n{rng.choice((sender.first, sender.full))}"


def _lay_out_announcement(names: Names, groups: Sequence[FactGroup]) -> str:
    opening = names.rng.choice(
        (
            "NOTICE TO ALL",
            "Announcement",
            "We are pleased to share the following news.",
            "For immediate release",
            "Public notice no. " + draw_value(names, "extension"),
        )
    )
    closing = names.rng.choice(_ANNOUNCEMENT_CLOSINGS)
    return f"{opening}\n\n{_write_body(names, groups)}\n\n{closing}"


def _lay_out_news(names: Names, groups: Sequence[FactGroup]) -> str:
    rng = names.rng
    town, day = draw_value(names, "town"), draw_value(names, "day")
    dateline = rng.choice((f"{town.upper()}, {day} - ", f"{town} ({day}). ", f"By {draw_value(names, 'person')}\n\n"))
    headline = rng.choice(("", f"News in brief: {groups[0].heading}\n\n", f"{groups[0].heading} in the news\n"))
    return headline + dateline + _write_body(names, groups)


def _lay_out_comparison(names: Names, groups: Sequence[FactGroup]) -> str:
    """Compare entities of one kind, relation by relation."""
    rng = names.rng
    sentences: list[str] = []
    for relation in dict.fromkeys(fact.relation for group in groups if group.entity for fact in group.facts):
        facts = [(group, fact) for group in groups if group.entity for fact in group.facts if fact.relation == relation]
        rng.shuffle(facts)
        for first in range(0, len(facts), 2):
            clauses = [_write_clause(rng, group, fact) for group, fact in facts[first : first + 2]]
            sentence = rng.choice((", while ", "; ", ", whereas ", ", and ")).join(clauses) + "."
            sentences.append(capitalize_first(sentence))
    listings = [group.listing for group in groups if not group.entity]
    num_words = sum(len(sentence.split()) for sentence in [*sentences, *listings])
    return "\n\n".join([" ".join(sentences), *_closing_remarks(names, groups, listings, num_words)])


def _write_clause(rng: random.Random, group: FactGroup, fact: Fact) -> str:
    assert group.entity is not None
    template = rng.choice(fact.statements)
    template = template[0].lower() + template[1:]  # names and values are still slots and keep their capitals
    return fill_phrase(template, group.entity.full, fact.value).removesuffix(".")


def _lay_out_table(names: Names, groups: Sequence[FactGroup]) -> str:
    """Write entities of one kind as the rows of a table."""
    labels = list(dict.fromkeys(fact.label for group in groups if group.entity for fact in group.facts))
    lines = ["| Name | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for group in groups:
        if group.entity:
            values = {fact.label: fact.property_value for fact in group.facts}
            lines.append(f"| {group.heading} | " + " | ".join(values.get(label, "-") for label in labels) + " |")
    listings = [group.listing for group in groups if not group.entity]
    num_words = sum(len(line.replace("|", "").split()) for line in [*lines, *listings])
    return "\n\n".join(["\n".join(lines), *_closing_remarks(names, groups, listings, num_words)])


LAYOUTS: dict[Layout, int] = {
    _lay_out_article: 5,
    _lay_out_sections: 2,
    _lay_out_bullets: 2,
    _lay_out_properties: 2,
    _lay_out_notes: 2,
    _lay_out_memo: 2,
    _lay_out_announcement: 2,
    _lay_out_news: 2,
    _lay_out_comparison: 4,
    _lay_out_table: 2,
}
"""Layouts with their weights. Generated data depends on the order: append new layouts."""
_COMPARING = (_lay_out_comparison, _lay_out_table)
"""Layouts for several entities of one kind only."""
