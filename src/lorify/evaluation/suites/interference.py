"""Several documents internalized at once, some of which contradict each other."""

from __future__ import annotations

import random

from pydantic import Field

from lorify.data.examples import Example
from lorify.data.facts.contradictions import contradict
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.evaluation.suites.facts import fact_examples
from lorify.facade import Lorify


class InterferenceSuite(Suite):
    """The questions of `facts`, with further documents internalized too, optionally contradicting ones."""

    name = "interference"
    documents: int = Field(12, ge=1, description="Number of documents with questions.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    others: tuple[int, ...] = Field((0, 1, 3, 7), min_length=1, description="Numbers of further documents.")
    contradicting: bool = Field(
        True, description="Add conditions with a later version of the document in which every answer differs."
    )
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the documents, one case for each document and condition."""
        cases = []
        for i, example in enumerate(fact_examples(self.documents, seed=self.seed, num_questions=self.questions)):
            for condition, e in self._conditions(i, example).items():
                item = Example(e.documents, e.questions, "interference")
                cases.append(make_case(model.base, f"interference-{i}-{condition}", item, condition=condition))
        return cases

    def _conditions(self, number: int, example: Example) -> dict[str, Example]:
        pool = fact_examples(max(self.others), seed=1_000_000 * (self.seed + 1) + number)
        rng = random.Random(f"{self.seed}/interference/{number}")
        conditions: dict[str, Example] = {}
        for num_others in self.others:
            documents = [other.documents[0] for other in pool[:num_others]]
            documents.insert(rng.randint(0, num_others), example.documents[0])
            conditions[f"{num_others} others"] = Example(tuple(documents), example.questions, "")
        if self.contradicting:
            rival = contradict(example, rng)
            both = (*example.documents, *rival.documents)
            # Neither version is the right one; the two scores show how often each is the answer.
            conditions["contradicted, first version"] = Example(both, example.questions, "")
            conditions["contradicted, last version"] = Example(both, rival.questions, "")
        return conditions
