"""Questions that are part of the internalized document."""

from __future__ import annotations

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.evaluation.suites.facts import fact_examples
from lorify.facade import Lorify

INTERNALIZED_REQUEST = "Answer the question at the end of the document."


class InternalizedQuerySuite(Suite):
    """The question is internalized with its document, and the prompt only requests the answer.

    Use `adapter:only_if_relevant=false`: the request shares no words with the document, so a relevance test would
    leave the adapter off.
    """

    name = "query"
    documents: int = Field(10, ge=1, description="Number of documents.")
    questions: int = Field(3, ge=1, description="Questions about each document, each a case of its own.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate two cases for each question: asked in the prompt, and internalized."""
        cases = []
        for i, example in enumerate(fact_examples(self.documents, seed=self.seed, num_questions=self.questions)):
            document = example.documents[0]
            for j, question in enumerate(example.questions):
                request = Question(INTERNALIZED_REQUEST, question.answers)
                for condition, text, asked in (
                    ("asked", document, question),
                    ("internalized", f"{document}\n\nQuestion: {question.text}", request),
                ):
                    item = Example((text,), (asked,), "query")
                    cases.append(make_case(model.base, f"query-{i}-{j}-{condition}", item, condition=condition))
        return cases
