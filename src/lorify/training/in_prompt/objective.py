"""Training of a static LoRA on questions with their document in the prompt.

The adapters of a hypernetwork have learned to give short answers. A bare base has not, so it answers in sentences even
if it finds the answer in its prompt. This LoRA teaches the base this form, and to read the document, with the same
data: it is the fair prompt baseline for a generated adapter.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from lorify.adapters import save_adapter
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.hypernets.text_to_lora.lora_table import LoraTable
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import Segment
from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.lora_weights import build_table_batch, copy_to_adapter, new_table
from lorify.training.passages import prepare_passages
from lorify.training.preparation import Preparation
from lorify.training.tasks.scoring import RowScores, answer_rows, average_scores
from lorify.training.tasks.setup import adapted_layers, load_task_base


def prepare_prompt(config: PromptTrainingConfig, preparation: Preparation) -> PromptObjective:
    """Read the data, load the base and build the objective.

    Raises:
        LorifyError: if data or base cannot be read.
    """
    train, heldout = prepare_passages(config.data)
    return PromptObjective(config, load_task_base(config.base, preparation), train, heldout)


class PromptObjective:
    """Questions about documents, answered by the base with the document in its prompt and one shared LoRA."""

    def __init__(
        self, config: PromptTrainingConfig, base: BaseLM, passages: Sequence[Example], heldout: Sequence[Example]
    ) -> None:
        """Start with a new LoRA.

        Args:
            config: the run.
            base: the frozen base.
            passages: natural passages with questions to train on.
            heldout: passages that are held out.
        """
        self.config, self.base = config, base
        self.passages = {"train": passages, "heldout": heldout}
        self.end_of_answer = min(base.stop_ids)
        self.layers = adapted_layers(config.lora, base.num_layers, base.name)
        self.table = new_table(config.lora, base, self.layers, config.seed).to(base.device)

    @property
    def module(self) -> LoraTable:
        """The LoRA."""
        return self.table

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`."""
        scores = self._score("train", batch)
        return BatchLoss(scores.loss.mean(), {"exact/train": scores.exact.mean().item()}, scores.num_tokens)

    def evaluate(self) -> dict[str, float]:
        """Compute loss and exact match on held-out documents."""
        batches = [self._score("heldout", batch) for batch in range(self.config.evaluation_batches)]
        return average_scores({"heldout": batches})

    def score(self, heldout: Mapping[str, float]) -> float:
        """Return exact match."""
        return heldout["exact/heldout"]

    def save_best(self, folder: Path) -> None:
        """Write the LoRA as an adapter."""
        trained_on = "questions with the document in the prompt"
        save_adapter(copy_to_adapter(self.config.lora, self.layers, self.table, self.base, trained_on), folder)

    def _score(self, split: str, batch: int) -> RowScores:
        rows = [self._row(rng, example) for rng, example in self._draw(split, batch)]
        lora = build_table_batch(self.config.lora, self.layers, [self.table] * len(rows))
        return answer_rows(self.base, rows, lora, bf16=self.config.optimization.computes_in_bf16(self.base.device))

    def _draw(self, split: str, batch: int) -> list[tuple[random.Random, Example]]:
        data, rng = self.config.data, random.Random(f"{self.config.seed}/{split}/{batch}")
        count = data.questions_per_context
        names = "heldout" if split == "heldout" else "train"
        examples = [generate_fact_example(rng, split=names, num_questions=count) for _ in range(data.facts)]
        if self.passages[split]:
            examples += [rng.choice(self.passages[split]) for _ in range(data.questions)]
        return [(rng, example) for example in examples]

    def _row(self, rng: random.Random, example: Example) -> list[Segment]:
        """Segments of the questions about one document; packing reads the document once for all of them."""
        document = "\n\n".join(example.documents)
        chosen = rng.sample(example.questions, min(len(example.questions), self.config.data.questions_per_context))
        return [
            Segment(
                tuple(build_prompt_ids(self.base.tokenizer, question_messages(question.text, document))),
                # With a leading space, the answer has the same tokens as in the document.
                (*self.base.encode_text(f" {question.answers[0]}"), self.end_of_answer),
                question=question.text,
            )
            for question in chosen
        ]
