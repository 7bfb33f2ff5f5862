"""Generated documents with everyday questions: yes or no, choices, lists, reasons, summaries and more."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from lorify.data.answers import NOT_STATED
from lorify.data.examples import Example, Question
from lorify.data.facts.entities import Entity, Fact, FactGroup, fill_phrase
from lorify.data.facts.generate import build_question
from lorify.data.facts.kinds import Relation
from lorify.data.facts.layouts import write_document
from lorify.data.facts.names import Names, Split
from lorify.data.facts.plan import draw_fact, draw_group, draw_kind, plan_document
from lorify.data.facts.unanswerable import draw_unstated_facts
from lorify.data.tables import load_table
from lorify.data.text import capitalize_first

SOURCE = "everyday"
YES_NO = ("Is it true that {statement}?", "{statement}, is that right?", "Can I rely on it that {statement}?")
CHOICES = ("{question} {first} or {second}?", "{question} Is it {first} or {second}?")
SENTENCES = ("{question} Answer in a sentence.", "{question} Please answer in a full sentence.")
LISTS = ("{first} {second} Answer both.", "{first} And further: {second}")
QUANTITIES = ("number", "decimal", "percent", "money", "degrees", "minutes", "few", "size")
"""Value types that are counts or have a unit."""
SUMMARIES = ("What is the text about?", "Summarize the text in one sentence.", "Give me a one-sentence summary.")


@dataclass(frozen=True)
class Draft:
    """A document while its questions are drawn.

    Attributes:
        names: draws names, and is the source of randomness.
        groups: the facts of the document.
        reason: the question that asks for a reason stated in the document, with its answer.
    """

    names: Names
    groups: Sequence[FactGroup]
    reason: Question

    def draw_fact(self, *, quantity: bool = False) -> tuple[Entity, Relation, Fact]:
        """Draw a fact about an entity, but no yes-no fact; with `quantity`, draw a quantity if there is one."""
        found = [
            (group.entity, relation, fact)
            for group in self.groups
            if group.entity is not None
            for relation in group.entity.kind.relations
            for fact in group.facts
            if fact.relation == f"{group.entity.kind.name}.{relation.name}" and fact.value_type != "yesno"
        ]
        quantities = [each for each in found if each[2].value_type in QUANTITIES] if quantity else []
        return self.names.rng.choice(quantities or found)

    def draw_other(self, entity: Entity, relation: Relation, fact: Fact) -> str:
        """Draw another value of the same relation."""
        while (other := draw_fact(self.names, entity, relation).value) == fact.value:
            pass
        return other


def generate_everyday_example(rng: random.Random, *, split: Split = "train", num_questions: int = 6) -> Example:
    """Generate a document with questions of different kinds; each question's `kind` is a key of `QUESTION_KINDS`.

    Args:
        rng: source of randomness; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses.
        num_questions: maximum number of questions, each of another kind.
    """
    names = Names(rng, split)
    groups = plan_document(names, rng.randint(4, 10))
    if not any(_can_be_asked(group) for group in groups):
        kind = draw_kind(rng)
        relations = [relation for relation in kind.relations if relation.value != "yesno"]
        groups.append(draw_group(names, kind, rng.sample(relations, 3)))
    subject = rng.choice([group.entity for group in groups if group.entity is not None])
    event, reason = rng.choice(_reasons()["events"]), rng.choice(_reasons()["reasons"]["texts"])
    stated = capitalize_first(event["statement"].format(o=subject.full.o, r=reason))
    asked = Question(event["question"].format(o=subject.full.o), (reason,))
    draft = Draft(names, groups, asked)
    document = f"{write_document(names, groups)}\n\n{stated}"
    kinds = rng.sample(list(QUESTION_KINDS), min(num_questions, len(QUESTION_KINDS)))
    questions = tuple(replace(QUESTION_KINDS[kind](draft), kind=kind) for kind in kinds)
    return Example((document,), questions, SOURCE)


def _can_be_asked(group: FactGroup) -> bool:
    return group.entity is not None and any(fact.value_type != "yesno" for fact in group.facts)


@cache
def _reasons() -> dict[str, Any]:
    return load_table("lorify.data.facts", "reasons")


def _ask_short(draft: Draft) -> Question:
    return build_question(draft.names.rng, draft.draw_fact()[2], unique=False)


def _ask_quantity(draft: Draft) -> Question:
    return build_question(draft.names.rng, draft.draw_fact(quantity=True)[2], unique=False)


def _ask_yes_no(draft: Draft) -> Question:
    rng = draft.names.rng
    entity, relation, fact = draft.draw_fact()
    is_true = rng.random() < 0.5
    value = fact.value if is_true else draft.draw_other(entity, relation, fact)
    statement = fill_phrase(rng.choice(fact.statements), entity.full, value).removesuffix(".")
    return Question(capitalize_first(rng.choice(YES_NO).format(statement=statement)), ("Yes" if is_true else "No",))


def _ask_choice(draft: Draft) -> Question:
    rng = draft.names.rng
    entity, relation, fact = draft.draw_fact()
    values = [fact.value, draft.draw_other(entity, relation, fact)]
    rng.shuffle(values)
    question = rng.choice(CHOICES).format(question=rng.choice(fact.questions), first=values[0], second=values[1])
    return Question(question, (fact.value,))


def _ask_list(draft: Draft) -> Question:
    rng = draft.names.rng
    facts = [draft.draw_fact()[2] for _ in range(2)]
    first, second = (rng.choice(fact.questions) for fact in facts)
    values = list(dict.fromkeys(fact.value for fact in facts))
    return Question(rng.choice(LISTS).format(first=first, second=second), (" and ".join(values),))


def _ask_reason(draft: Draft) -> Question:
    return draft.reason


def _ask_sentence(draft: Draft) -> Question:
    entity, _, fact = draft.draw_fact()
    rng = draft.names.rng
    question = rng.choice(SENTENCES).format(question=rng.choice(fact.questions))
    return Question(question, (capitalize_first(fill_phrase(fact.statements[0], entity.full, fact.value)),))


def _ask_summary(draft: Draft) -> Question:
    headings = list(dict.fromkeys(g.entity.full.o if g.entity is not None else g.heading for g in draft.groups))
    named = headings[0] if len(headings) == 1 else ", ".join(headings[:-1]) + " and " + headings[-1]
    return Question(draft.names.rng.choice(SUMMARIES), (f"It is about {named}.",))


def _ask_absent(draft: Draft) -> Question:
    fact = draw_unstated_facts(draft.names, draft.groups, 2)[0]
    return Question(build_question(draft.names.rng, fact, unique=False).text, (NOT_STATED,))


QUESTION_KINDS: dict[str, Callable[[Draft], Question]] = {
    "short": _ask_short,
    "yes_no": _ask_yes_no,
    "choice": _ask_choice,
    "list": _ask_list,
    "quantity": _ask_quantity,
    "reason": _ask_reason,
    "sentence": _ask_sentence,
    "summary": _ask_summary,
    "absent": _ask_absent,
}
"""Functions that draw a question, by kind."""
