"""Prompts unrelated to the document, which an adapter should leave alone."""

from __future__ import annotations

from pydantic import Field

from lorify.answering.batches import BATCH_ROWS
from lorify.data.examples import Example, Question
from lorify.data.sources.general import GENERAL_EVAL_PROMPTS
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.evaluation.suites.facts import fact_examples
from lorify.facade import Lorify


class AgreementSuite(Suite):
    """Prompts unrelated to the document; the reference answers are those of the bare base model."""

    name = "agreement"
    max_new_tokens = 64
    documents: int = Field(20, ge=1, description="Number of documents, among which the prompts are divided.")
    prompts: int = Field(200, ge=1, le=len(GENERAL_EVAL_PROMPTS), description="Number of prompts.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the documents, and let the base model answer the prompts."""
        questions = self._reference_answers(model)
        examples = fact_examples(min(self.documents, self.prompts), seed=self.seed)
        return [
            make_case(
                model.base,
                f"agreement-{i}",
                Example(example.documents, tuple(questions[i :: len(examples)]), "agreement"),
                answers_are_the_bases=True,
            )
            for i, example in enumerate(examples)
        ]

    def _reference_answers(self, model: Lorify) -> list[Question]:
        prompts = GENERAL_EVAL_PROMPTS[: self.prompts]
        questions = []
        for start in range(0, len(prompts), BATCH_ROWS):
            batch = prompts[start : start + BATCH_ROWS]
            answers = model.ask_batch(batch, [None] * len(batch), max_new_tokens=self.max_new_tokens)
            questions += [Question(prompt, (answer,)) for prompt, answer in zip(batch, answers, strict=True)]
        return questions
