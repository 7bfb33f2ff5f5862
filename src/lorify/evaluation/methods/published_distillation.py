"""Context distillation as published with Doc-to-LoRA: its prompts, its question writer and its optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field

from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.data.self_generated.pipeline import answer_context, write_in_rounds
from lorify.data.self_generated.prompts import PublishedPrompts
from lorify.data.self_generated.store import SelfGeneratedQuestion
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.data.self_generated.writers import LocalWriter, QuestionWriter
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_documents, joined_documents
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify
from lorify.hypernets.adapter_training.published_distillation import DistillationSettings, distill_as_published
from lorify.hypernets.adapter_training.training_examples import TrainingExample

TOP_K = 16
QUESTIONS_PER_ROUND = 5
PUBLISHED = DistillationSettings()


class PublishedDistilled(Method):
    """Context distillation as in Doc-to-LoRA's paper: AdamW, 300 passes over 20 questions of another model."""

    name = "cd_d2l"
    train_on: Literal["generated", "test_questions"] = Field(
        "generated", description="Questions of the writer, or those of the test (the paper's oracle)."
    )
    writer: str | None = Field(
        "google/gemma-3-4b-it", description="Model that writes the questions: hub id or folder; base: the base itself."
    )
    rounds: int = Field(4, ge=1, description=f"Rounds of {QUESTIONS_PER_ROUND} questions.")
    epochs: int = Field(PUBLISHED.epochs, ge=0, description="Passes over the questions.")
    batch: int = Field(PUBLISHED.batch_size, ge=1, description="Questions in each step.")
    learning_rate: float = Field(PUBLISHED.learning_rate, gt=0, description="Peak learning rate of AdamW.")
    rank: int = Field(PUBLISHED.rank, ge=1, description="Rank of the LoRA; lora_alpha is twice the rank.")
    answer_tokens: int = Field(256, ge=1, description="Maximum length of the teacher's answers in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the writer, and return a function that trains a new LoRA."""
        teacher, prompts = LocalTeacher(model.base), PublishedPrompts()
        writer = self._load_writer(model.base, prompts) if self.train_on == "generated" else None
        instructions = len(model.base.encode_text(prompts.teacher_messages("", "")[0]["content"]))

        def ingest(case: Case) -> PreparedCase:
            questions = [question.text for question in case.questions]
            longest = max(questions, key=len)
            reserved = instructions + self.answer_tokens
            document = fit_document(model.answerer, joined_documents(case), longest, reserved)
            if writer is not None:
                (questions,) = write_in_rounds(writer, [document], self.rounds, QUESTIONS_PER_ROUND)
            answered = answer_context(
                teacher, document, questions, top_k=TOP_K, max_new_tokens=self.answer_tokens, prompts=prompts
            )
            if not answered:  # as published, a document about which no question was written is not internalized
                return PreparedCase(Query)
            examples = [_as_example(model, question) for question in answered]
            adapter = distill_as_published(model.base, examples, case_documents(case), self._settings())
            return prepare_adapter(adapter, only_if_relevant=False)

        return ingest

    def _load_writer(self, base: BaseLM, prompts: PublishedPrompts) -> QuestionWriter:
        is_base = self.writer in (None, "base")
        return LocalWriter(base if is_base else load_base(str(self.writer), device=base.device), prompts)

    def _settings(self) -> DistillationSettings:
        return DistillationSettings(self.epochs, self.batch, self.learning_rate, self.rank, 2.0 * self.rank)


def _as_example(model: Lorify, answered: SelfGeneratedQuestion) -> TrainingExample:
    """Build the example of a question with the teacher's answer; the student is asked without the document."""
    prompt: Sequence[int] = model.answerer.prompts.question_ids(answered.text)
    shape = (len(answered.answer_ids), answered.top_k)
    device = model.base.device
    return TrainingExample(
        answered.text,
        [*prompt, *answered.answer_ids[:-1]],
        len(answered.answer_ids),
        torch.tensor(answered.top_ids, device=device).view(shape),
        torch.tensor(answered.top_log_probs, device=device).view(shape),
    )
