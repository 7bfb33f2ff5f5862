"""Context distillation: a LoRA trained for each context by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lorify.adapters import Adapter
from lorify.answering.window import fit_document
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_documents, joined_documents
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify
from lorify.hypernets.adapter_training.further_training import BATCH_SIZE, LEARNING_RATE, as_refined
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter, distill
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import Focus, TrainingExample, focusing
from lorify.hypernets.document_refinement.statement_examples import plausible_examples, statement_examples
from lorify.hypernets.document_refinement.teacher_examples import QUESTION_REQUEST, teacher_examples

TrainingQuestions = Literal["generated", "test_questions", "statements"]


class GradientTrained(Method):
    """Base class: an adapter trained for each context by gradient descent."""

    train_on: TrainingQuestions = Field(
        "generated",
        description="What the LoRA learns: the answers of the base model, with the document in its prompt, to "
        "questions that it generates (generated) or to the questions of the test (test_questions); or cloze questions "
        "made from the sentences of the document (statements).",
    )
    queries: int = Field(16, ge=1, description="Number of generated questions.")
    steps: int = Field(50, ge=0, description="Maximum number of gradient steps.")
    seconds: float | None = Field(
        None, gt=0, description="Time limit in seconds, including the generation of questions and answers."
    )
    batch: int = Field(4, ge=1, description="Questions in each step.")
    learning_rate: float = Field(0.1, gt=0, description="Step size relative to the scale of each matrix.")
    answer_tokens: int = Field(32, ge=1, description="Maximum length of the teacher's answers in tokens.")

    def training_examples(self, model: Lorify, case: Case, limit: TimeLimit) -> list[TrainingExample]:
        """Collect questions with the answers that the LoRA is trained on.

        Args:
            model: the base, and the question writer.
            case: its documents, and its questions for `test_questions`.
            limit: limit on the time.
        """
        if self.train_on == "statements":
            return statement_examples(
                model.base, case.documents, limit, prompts=model.answerer.prompts, writer=model.question_writer
            )
        questions = [question.text for question in case.questions] if self.train_on == "test_questions" else None
        longest = max(questions or [QUESTION_REQUEST], key=lambda question: len(model.base.encode_text(question)))
        return teacher_examples(
            model.base,
            fit_document(model.answerer, joined_documents(case), longest, self.answer_tokens),
            questions,
            prompts=model.answerer.prompts,
            num_questions=self.queries,
            answer_tokens=self.answer_tokens,
            limit=limit.first_half(),
        )

    def train(
        self,
        model: Lorify,
        examples: Sequence[TrainingExample],
        start: Adapter,
        limit: TimeLimit,
        *,
        learn_A: bool,
        focus: Focus | None = None,
    ) -> Adapter:
        """Train an adapter on the examples."""
        return distill(
            model.base,
            examples,
            start,
            limit=limit,
            steps=self.steps,
            learning_rate=self.learning_rate,
            batch_size=self.batch,
            learn_A=learn_A,
            focus=focus,
        )


class Distilled(GradientTrained):
    """Context distillation: a new LoRA trained for each context by gradient descent."""

    name = "cd"
    rank: int = Field(8, ge=1, description="Rank of the LoRA.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that trains a new LoRA."""

        def ingest(case: Case) -> PreparedCase:
            limit = TimeLimit(self.seconds)
            blank = blank_adapter(model.base, self.rank, case_documents(case))
            examples = self.training_examples(model, case, limit)
            trained = self.train(model, examples, blank, limit, learn_A=True)
            return prepare_adapter(trained, only_if_relevant=False)

        return ingest


class Refined(GradientTrained):
    """The adapter of the hypernetwork, refined by gradient descent."""

    name = "adapter+refine"
    uses = "documents"
    train_on: TrainingQuestions = Field("statements", description="What the adapter learns, as for `cd`.")
    batch: int = Field(BATCH_SIZE, ge=1, description="Questions in each step.")
    learning_rate: float = Field(LEARNING_RATE, gt=0, description="Step size relative to the scale of each matrix.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that internalizes the documents and refines the adapter."""

        def ingest(case: Case) -> PreparedCase:
            generated = model.internalize(*case_documents(case))
            limit = TimeLimit(self.seconds)
            focus = focusing(model.internalizer)
            examples = self.training_examples(model, case, limit)
            if self.train_on == "statements" and model.question_writer is not None:
                examples = plausible_examples(model.base, examples, generated, focus=focus)  # drops badly written ones
            trained = self.train(model, examples, generated, limit, learn_A=False, focus=focus)
            return prepare_adapter(as_refined(trained, generated, limit.elapsed), only_if_relevant=True)

        return ingest
