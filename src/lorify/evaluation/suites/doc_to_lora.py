"""The evaluation of Doc-to-LoRA: short answers on SQuAD, DROP, ROPES, PwC and LongBench, asked in the published words.

Each question is a case of its own with its passage. 500 questions are drawn at random from all of the evaluation split,
answers have up to 256 tokens, and they are scored by `lorify.evaluation.scoring.published`. PwC, whose answers are
long, is scored by ROUGE-L with stemming.

Source: Doc-to-LoRA (arXiv 2602.15902), section 4; `EVAL_INTX_TEMPLATES` and scripts/main_exp/eval of
github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.data.sources.public import QUESTION_DATASETS, load_public_questions
from lorify.errors import EvaluationError
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.facade import Lorify

SHORT_ANSWER = (
    "Answer the following question. Output only the answer and do not output any other words.\n\nQuestion: {question}"
)
LONGBENCH_ANSWER = (
    "Answer the following question. Only output the answer and do not output any other words.\n\nQuestion: {question}"
)
QASPER_ANSWER = (
    "Answer the question as concisely as you can, using a single phrase or sentence if possible.\nIf the question "
    'cannot be answered based on the information in the article, write "unanswerable".\nIf the question is a yes/no '
    'question, answer "yes", "no", or "unanswerable". Do not provide any explanation.\n\nQuestion: {question}'
)
TEMPLATES = {
    "squad": SHORT_ANSWER,
    "drop": SHORT_ANSWER,
    "ropes": SHORT_ANSWER,
    "pwc": "{question}",
    "qasper": QASPER_ANSWER,
    "multifieldqa_en": LONGBENCH_ANSWER,
    "2wikimqa": LONGBENCH_ANSWER,
}
LONGBENCH_E_ENDING = "_e"
ASSISTANT_TEXT = "You are a useful AI assistant."
OWN, ASSISTANT = "own", "assistant"


class DocToLoraSuite(Suite):
    """Doc-to-LoRA's evaluation on SQuAD, DROP, ROPES, PwC or LongBench, with its wording, sample and scores."""

    name = "d2l"
    max_new_tokens = 256
    dataset: str = Field("squad", description=f"One of {', '.join(QUESTION_DATASETS)}.")
    path: Path | None = Field(None, description="Local copy: JSON Lines with the fields of the data set.")
    questions: int = Field(500, ge=1, description="Number of questions, drawn at random from the whole split.")
    context: str = Field(
        OWN, min_length=1, description="Text to internalize: the question's own passage (own), `assistant`, or a file."
    )
    flipped: bool = Field(False, description="Internalize the question, and put the passage into the prompt.")
    seed: int = Field(42, ge=0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """Load the data set and draw questions.

        Raises:
            EvaluationError: if the data set or the text to internalize cannot be read.
        """
        asked = load_public_questions(self.dataset, self.path)
        order = np.random.RandomState(self.seed).permutation(len(asked))[: self.questions]
        replacement = self._replacement()
        return [self._case(model, int(i), asked[i], replacement) for i in order]

    def _case(self, model: Lorify, number: int, example: Example, replacement: str | None) -> Case:
        (question,), (passage,) = example.questions, example.documents
        template = TEMPLATES[self.dataset.removesuffix(LONGBENCH_E_ENDING)]
        text = template.format(question=question.text)
        context = passage if replacement is None else replacement
        if self.flipped:
            context, text = text, passage
        item = Example((context,), (Question(text, question.answers),), self.dataset)
        case = make_case(model.base, f"{self.dataset}-{number}", item, condition=self._condition)
        return replace(case, metric="qa_f1" if QUESTION_DATASETS[self.dataset].is_short else "rouge_l_stemmed")

    @property
    def _condition(self) -> str:
        """Experimental condition, for the tables."""
        replaced = "" if self.context == OWN else f"{Path(self.context).stem} internalized instead"
        return ", ".join(filter(None, ("question internalized" if self.flipped else "", replaced)))

    def _replacement(self) -> str | None:
        if self.context == OWN:
            return None
        if self.context == ASSISTANT:
            return ASSISTANT_TEXT
        try:
            return Path(self.context).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(
                f"context {self.context} cannot be read ({error}); give own, assistant, or a text file"
            ) from error
