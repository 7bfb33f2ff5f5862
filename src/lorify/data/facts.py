"""Documents full of invented facts, with questions: what the document hypernetwork learns from and is measured on."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.examples import Example, Question
from lorify.data.fact_names import Names, Person, Split
from lorify.data.fact_values import alternatives, draw_value
from lorify.data.fact_world import FILLERS, KINDS, LISTINGS, Kind, Relation

# Fillers bring a document to a length between these, in words; facts alone may make it longer.
MIN_WORDS, MAX_FILLED_WORDS = 60, 170

_SLOT = re.compile(r"<([^>]+)>")


def generate_fact_example(
    rng: random.Random,
    *,
    split: Split = "train",
    num_documents: int = 1,
    num_facts: tuple[int, int] = (6, 16),
    num_questions: int = 6,
) -> Example:
    """Documents about invented people, companies, events, rules, places, ships, recipes, software and more.

    No two entities of an example share a name, each has at most one value for a relation, and every question names its
    entity, so a question has one answer in all of the documents. Answers are in the documents word for word, except
    `Yes` and `No`.

    Args:
        rng: where chance comes from; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses; relations and phrases are the same.
        num_documents: how many documents; each has its own entities.
        num_facts: least and largest number of facts a document.
        num_questions: at most this many questions, each about another fact.

    Returns:
        An example with source `facts`.
    """
    names = Names(rng, split)
    facts: list[_Fact] = []
    documents: list[str] = []
    for _ in range(num_documents):
        groups = _plan_document(names, rng.randint(*num_facts))
        documents.append(_write_document(names, groups))
        facts += [fact for group in groups for fact in group.facts]
    occurrences = Counter((fact.relation, fact.value) for fact in facts)
    asked = rng.sample(facts, min(num_questions, len(facts)))
    questions = [_ask(rng, fact, unique=occurrences[fact.relation, fact.value] == 1) for fact in asked]
    return Example(tuple(documents), tuple(questions), "facts")


@dataclass(frozen=True)
class _Reference:
    """A way to refer to an entity: as subject, as object and as possessive."""

    s: str
    o: str
    p: str

    @classmethod
    def of_name(cls, name: str) -> "_Reference":
        return cls(name, name, name + "'s")


_IT, _SHE, _HE = _Reference("it", "it", "its"), _Reference("she", "her", "her"), _Reference("he", "him", "his")


@dataclass(frozen=True)
class _Entity:
    kind: Kind
    name: str
    full: _Reference
    pronoun: _Reference
    shorts: tuple[_Reference, ...]


@dataclass(frozen=True)
class _Fact:
    """A value with the ways to say it and to ask for it; phrases of questions have only the value's slot left."""

    relation: str
    label: str
    value: str
    maker: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    inverse_questions: tuple[str, ...]
    subject: str

    @property
    def shown_value(self) -> str:
        """The value in a list of properties."""
        return self.value.lower() if self.maker == "yesno" else self.value


@dataclass(frozen=True)
class _Group:
    """Facts that belong together: about one entity, or, where there is none, the rows of a list."""

    entity: _Entity | None
    heading: str
    facts: tuple[_Fact, ...]
    listing: str = ""


# Planning: which entities a document is about and what it says of them.


def _plan_document(names: Names, num_facts: int) -> list[_Group]:
    rng, groups, left = names.rng, list[_Group](), num_facts
    if num_facts >= 5 and rng.random() < 0.2:
        groups.append(_draw_listing(names, rng.randint(3, min(5, num_facts))))
        left -= len(groups[0].facts)
    form = rng.random()
    kind = _draw_kind(rng)
    if form < 0.4:
        if left:
            groups.append(_draw_group(names, kind, rng.sample(kind.relations, min(left, len(kind.relations), 9))))
    elif form < 0.75:
        # Several entities of one kind with mostly the same relations: the subject must be told apart.
        share = -(-left // rng.randint(2, 4))
        shared = rng.sample(kind.relations, min(share, len(kind.relations)))
        for _ in range(4):
            said = sum(len(group.facts) for group in groups)
            kept = [relation for relation in shared if rng.random() < 0.85][: num_facts - said]
            if kept:
                groups.append(_draw_group(names, kind, kept))
    while (said := sum(len(group.facts) for group in groups)) < num_facts:
        kind = _draw_kind(rng)
        relations = rng.sample(kind.relations, min(rng.randint(1, 5), num_facts - said, len(kind.relations)))
        groups.append(_draw_group(names, kind, relations))
    rng.shuffle(groups)
    return groups


def _draw_kind(rng: random.Random) -> Kind:
    return rng.choices(KINDS, [kind.weight for kind in KINDS])[0]


def _draw_group(names: Names, kind: Kind, relations: Sequence[Relation]) -> _Group:
    entity = _draw_entity(names, kind)
    relations = names.rng.sample(list(relations), len(relations))
    return _Group(entity, entity.name, tuple(_draw_fact(names, entity, relation) for relation in relations))


def _draw_entity(names: Names, kind: Kind) -> _Entity:
    if kind.entity == "person":
        person: Person = names.person()
        shorts = (_Reference.of_name(person.last), _Reference.of_name(person.first))
        pronoun = _SHE if person.feminine else _HE
        return _Entity(kind, person.full, _Reference.of_name(person.full), pronoun, shorts)
    name = draw_value(names, kind.entity)
    shorts = tuple(_Reference.of_name(noun) for noun in kind.nouns)
    return _Entity(kind, name, _Reference.of_name(kind.article + name), _IT, shorts)


def _draw_fact(names: Names, entity: _Entity, relation: Relation) -> _Fact:
    if relation.value == "yesno":
        holds = names.rng.random() < 0.5
        value, statements = ("Yes", relation.statements) if holds else ("No", relation.denials)
    else:
        value, statements = draw_value(names, relation.value), relation.statements
        if value[0].islower():
            # A capital at the start of the sentence would make the value differ from the answer.
            statements = tuple(statement for statement in statements if not statement.startswith("{v}"))
    return _Fact(
        relation=f"{entity.kind.name}.{relation.name}",
        label=relation.label,
        value=value,
        maker=relation.value.split()[0],
        statements=statements,
        questions=tuple(_fill(question, entity.full) for question in relation.questions),
        inverse_questions=tuple(_fill(question, entity.full, value) for question in relation.inverse_questions),
        subject=entity.name,
    )


def _draw_listing(names: Names, num_rows: int) -> _Group:
    rng = names.rng
    listing = rng.choice(LISTINGS)
    owner = draw_value(names, listing.owner)
    rows: list[str] = []
    while len(rows) < num_rows:
        row = draw_value(names, listing.rows)
        if row not in rows:
            rows.append(row)
    values = [draw_value(names, listing.value) for _ in rows]
    items = [
        (listing.next_row if index else listing.first_row).format(r=row, v=value)
        for index, (row, value) in enumerate(zip(rows, values, strict=True))
    ]
    sentence = rng.choice(listing.openings).format(o=owner) + ", ".join(items[:-1]) + " and " + items[-1] + "."
    facts = [
        _Fact(
            relation=f"{listing.name}.{row}",
            label=row,
            value=value,
            maker=listing.value.split()[0],
            statements=(),
            questions=tuple(question.format(o=owner, r=row) for question in listing.questions),
            inverse_questions=(),
            subject=owner,
        )
        for row, value in zip(rows, values, strict=True)
    ]
    return _Group(None, f"{owner}: {listing.name}", tuple(facts), _capitalized(sentence))


# Writing: the sentences of each group, then the layout of the document.


def _write_document(names: Names, groups: list[_Group]) -> str:
    rng = names.rng
    entities = [group.entity for group in groups if group.entity]
    comparable = len(entities) > 1 and len({entity.kind.name for entity in entities}) == 1
    layouts = [*_LAYOUTS] + ([_lay_out_comparison, _lay_out_table] if comparable else [])
    weights = [weight for _, weight in _LAYOUT_WEIGHTS] + ([3, 1] if comparable else [])
    layout = rng.choices(layouts, weights)[0]
    return layout(names, groups)


def _write_group(names: Names, group: _Group, *, full_only: bool = False) -> list[str]:
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
        doubtful = previous == entity.kind.entity.split()[0] or (entity.kind.name == "person" and previous == "spouse")
        reference = entity.full if not index or full_only else _refer(rng, entity, template, doubtful)
        sentence = _fill(template, reference, fact.value)
        if joinable and reference is entity.pronoun and template.startswith(("{s}", "{p}")) and rng.random() < 0.5:
            sentences[-1] = sentences[-1].removesuffix(".") + rng.choice((", and ", "; ")) + sentence
            joinable = False
        else:
            sentences.append(_capitalized(sentence))
            joinable = len(sentence) < 70
    return sentences


def _refer(rng: random.Random, entity: _Entity, template: str, doubtful: bool) -> _Reference:
    choice = rng.random()
    if choice < 0.3:
        return entity.full
    if choice < 0.65 and not doubtful and "{o}" not in template:
        return entity.pronoun
    if doubtful and entity.kind.name != "person":
        return entity.full
    return rng.choice(entity.shorts)


def _fillers(names: Names, groups: Sequence[_Group], num_words: int) -> list[str]:
    """Sentences that bring a document of `num_words` words to a random length."""
    rng, fillers = names.rng, list[str]()
    target = rng.randint(MIN_WORDS, MAX_FILLED_WORDS)
    pool = list(FILLERS)
    for group in groups:
        if group.entity:
            pool += [_fill(filler, group.entity.full) for filler in group.entity.kind.fillers]
    rng.shuffle(pool)
    while pool and num_words < target:
        filler = _SLOT.sub(lambda slot: draw_value(names, slot[1]), pool.pop())
        num_words += len(filler.split())
        fillers.append(_capitalized(filler))
    return fillers


def _fill_up(names: Names, groups: Sequence[_Group], paragraphs: list[list[str]], *, header_words: int = 0) -> None:
    """Put fillers into the paragraphs, between sentences or at their ends, never before a paragraph's first sentence."""
    num_words = header_words + sum(len(sentence.split()) for paragraph in paragraphs for sentence in paragraph)
    for filler in _fillers(names, groups, num_words):
        paragraph = names.rng.choice(paragraphs)
        paragraph.insert(names.rng.randint(1, len(paragraph)), filler)


def _paragraphs(names: Names, groups: list[_Group], *, header_words: int = 0) -> str:
    paragraphs = [_write_group(names, group) for group in groups]
    _fill_up(names, groups, paragraphs, header_words=header_words)
    return names.rng.choice(("\n\n", "\n\n", "\n")).join(" ".join(paragraph) for paragraph in paragraphs)


def _lay_out_article(names: Names, groups: list[_Group]) -> str:
    title = names.rng.choice(("", groups[0].heading + "\n\n", f"# {groups[0].heading}\n\n"))
    return title + _paragraphs(names, groups)


def _lay_out_sections(names: Names, groups: list[_Group]) -> str:
    form = names.rng.choice(("{}. {}", "## {1}", "Section {}: {}", "{1}\n------"))
    paragraphs = [_write_group(names, group) for group in groups]
    _fill_up(names, groups, paragraphs)
    sections = [
        form.format(index, group.heading) + "\n" + " ".join(paragraph)
        for index, (group, paragraph) in enumerate(zip(groups, paragraphs, strict=True), 1)
    ]
    return "\n\n".join(sections)


def _lay_out_bullets(names: Names, groups: list[_Group]) -> str:
    mark = names.rng.choice(("- ", "* ", "• ", ""))
    full_only = names.rng.random() < 0.6
    paragraphs = [_write_group(names, group, full_only=full_only) for group in groups]
    _fill_up(names, groups, paragraphs)
    return "\n".join(mark + sentence for paragraph in paragraphs for sentence in paragraph)


def _lay_out_properties(names: Names, groups: list[_Group]) -> str:
    rng = names.rng
    form = rng.choice(("{}: {}", "- {}: {}", "{} - {}", "* **{}**: {}"))
    blocks = [
        [rng.choice(("", "Name: ")) + group.heading, *(form.format(fact.label, fact.shown_value) for fact in group.facts)]
        for group in groups
    ]
    num_words = sum(len(line.split()) for block in blocks for line in block)
    remarks = _fillers(names, groups, num_words)
    return "\n\n".join(["\n".join(block) for block in blocks] + ([" ".join(remarks)] if remarks else []))


def _lay_out_notes(names: Names, groups: list[_Group]) -> str:
    """All sentences in no order, every one with the full name."""
    paragraphs = [_write_group(names, group, full_only=True) for group in groups]
    _fill_up(names, groups, paragraphs)
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
    names.rng.shuffle(sentences)
    return " ".join(sentences)


def _lay_out_memo(names: Names, groups: list[_Group]) -> str:
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
    body = _paragraphs(names, groups, header_words=30)
    return f"{header}{greeting}\n\n{opening} {body}\n\n{closing}\n{rng.choice((sender.first, sender.full))}"


def _lay_out_announcement(names: Names, groups: list[_Group]) -> str:
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
    return f"{opening}\n\n{_paragraphs(names, groups, header_words=10)}\n\n{closing}"


def _lay_out_news(names: Names, groups: list[_Group]) -> str:
    rng = names.rng
    place, day = draw_value(names, "town"), draw_value(names, "day")
    dateline = rng.choice((f"{place.upper()}, {day} - ", f"{place} ({day}). ", f"By {draw_value(names, 'person')}\n\n"))
    headline = rng.choice(("", f"News in brief: {groups[0].heading}\n\n", f"{groups[0].heading} in the news\n"))
    return headline + dateline + _paragraphs(names, groups, header_words=8)


def _lay_out_comparison(names: Names, groups: list[_Group]) -> str:
    """Entities of one kind side by side, relation by relation."""
    rng = names.rng
    sentences: list[str] = []
    relations = list(dict.fromkeys(fact.relation for group in groups if group.entity for fact in group.facts))
    for relation in relations:
        clauses = [
            _fill(rng.choice(fact.statements), group.entity.full, fact.value)
            for group in groups
            if group.entity
            for fact in group.facts
            if fact.relation == relation
        ]
        rng.shuffle(clauses)
        for first in range(0, len(clauses), 2):
            pair = [clause.removesuffix(".") for clause in clauses[first : first + 2]]
            sentences.append(_capitalized(rng.choice((", while ", "; ", ", whereas ", ", and ")).join(pair)) + ".")
    paragraphs = [sentences, *([group.listing] for group in groups if not group.entity)]
    _fill_up(names, groups, paragraphs)
    return "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)


def _lay_out_table(names: Names, groups: list[_Group]) -> str:
    """Entities of one kind as the rows of a table."""
    labels = list(dict.fromkeys(fact.label for group in groups if group.entity for fact in group.facts))
    lines = ["| Name | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for group in groups:
        if group.entity:
            values = {fact.label: fact.shown_value for fact in group.facts}
            lines.append(f"| {group.heading} | " + " | ".join(values.get(label, "-") for label in labels) + " |")
    remarks = [group.listing for group in groups if not group.entity]
    num_words = sum(len(line.replace("|", "").split()) for line in [*lines, *remarks])
    remarks += _fillers(names, groups, num_words)
    return "\n\n".join(["\n".join(lines), *([" ".join(remarks)] if remarks else [])])


_LAYOUT_WEIGHTS: tuple[tuple[Callable[[Names, list[_Group]], str], int], ...] = (
    (_lay_out_article, 5),
    (_lay_out_sections, 2),
    (_lay_out_bullets, 2),
    (_lay_out_properties, 2),
    (_lay_out_notes, 2),
    (_lay_out_memo, 2),
    (_lay_out_announcement, 2),
    (_lay_out_news, 2),
)
_LAYOUTS = tuple(layout for layout, _ in _LAYOUT_WEIGHTS)


# Asking.


def _ask(rng: random.Random, fact: _Fact, *, unique: bool) -> Question:
    """A question about the fact; if no other fact of its relation has the value, sometimes one for the entity."""
    if unique and fact.inverse_questions and rng.random() < 0.25:
        return Question(_vary(rng, rng.choice(fact.inverse_questions)), (fact.subject,))
    answers = (fact.value,) if fact.maker == "yesno" else alternatives(fact.value)
    return Question(_vary(rng, rng.choice(fact.questions)), answers)


def _vary(rng: random.Random, question: str) -> str:
    """The question as it is, mostly, or as people type it."""
    choice = rng.random()
    if choice < 0.8 or not question.endswith("?"):
        return question
    lowered = question[0].lower() + question[1:]
    form = rng.choice(("Question: {0}", "Please tell me: {1}", "I would like to know: {1}", "{0} Answer briefly.", "{2}"))
    return form.format(question, lowered, lowered.removesuffix("?"))


def _fill(template: str, reference: _Reference, value: str = "") -> str:
    article = "an " if value[:1].lower() in ("a", "e", "i", "o", "u") else "a "
    return template.format(s=reference.s, o=reference.o, p=reference.p, v=value, a=article + value)


def _capitalized(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
