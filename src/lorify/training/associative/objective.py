"""Meta-training of the associative hypernetwork: documents in, answers to questions about them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from lorify.base.model import BaseLM
from lorify.errors import TrainingError
from lorify.hypernets.associative.kind import save_associative
from lorify.hypernets.associative.network import AssociativeHypernetwork, address_adapters
from lorify.hypernets.associative.questions.answer_finder import AnswerFinder
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.relevance import Relevance, load_relevance
from lorify.training.associative.batches import GeneralAnswer, Step, StepBuilder
from lorify.training.associative.general_answers import prepare_general_answers
from lorify.training.associative.initialization import fit_to_activations, initialize_hypernetwork
from lorify.training.associative.kind_metrics import KindTotals, metrics_by_kind, total_exact
from lorify.training.associative.relevance import prepare_relevance
from lorify.training.associative.rows import plan_rows, write_rows
from lorify.training.associative.scoring import AnswerScorer, SegmentScores
from lorify.training.associative.step_memory import StepEncoder
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import split_by_length
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.passages import prepare_everyday, prepare_passages, prepare_texts
from lorify.training.preparation import Preparation

ROW_GROUPS = 2
HELDOUT_EVERY = 10
"""One unrelated prompt in this many is held out."""


def prepare_associative(config: AssociativeTrainingConfig, preparation: Preparation) -> AssociativeObjective:
    """Read the data, answer unrelated prompts with the base, and build the objective.

    Raises:
        LorifyError: if data or base cannot be read.
    """
    passages, heldout_passages = prepare_passages(config.data)
    texts, heldout_texts = prepare_texts(config.data)
    everyday, heldout_everyday = prepare_everyday(config.data, heldout_passages)
    base = preparation.load_base(config.base)
    new_config, _ = initialize_hypernetwork(config, base)  # report its errors before the base answers the prompts
    if config.data.focus_probability and not new_config.reader_width:
        raise TrainingError(
            "data.focus_probability needs a hypernetwork with a reader in init_from; train one with kind reader, or "
            "set it to 0"
        )
    # A reader keeps the word weights it was trained with.
    kept = load_relevance(config.init_from) if config.init_from is not None else None
    general: list[GeneralAnswer] = []
    if config.data.general_probability:
        with preparation.counting("answering unrelated prompts", "prompts") as advance:
            general = prepare_general_answers(base, preparation.run_dir, config.data.general_answer_tokens, advance)
    train_general = [answer for i, answer in enumerate(general) if i % HELDOUT_EVERY]
    return AssociativeObjective(
        config,
        base,
        train_steps=StepBuilder(config, base, passages=passages, texts=texts, everyday=everyday, general=train_general),
        heldout_steps=StepBuilder(
            config,
            base,
            passages=heldout_passages,
            texts=heldout_texts,
            everyday=heldout_everyday,
            general=general[::HELDOUT_EVERY],
            heldout=True,
        ),
        relevance=kept or prepare_relevance(config, passages),
    )


class AssociativeObjective:
    """Questions about documents, answered by the base with the adapters that the hypernetwork writes."""

    def __init__(
        self,
        config: AssociativeTrainingConfig,
        base: BaseLM,
        *,
        train_steps: StepBuilder,
        heldout_steps: StepBuilder,
        relevance: Relevance | None = None,
    ) -> None:
        """Start from a new hypernetwork or the one at `config.init_from`.

        Args:
            config: config of the run.
            base: the frozen base.
            train_steps: batches to train on.
            heldout_steps: batches to evaluate on.
            relevance: saved with the best hypernetwork; needed if rows are focused.

        Raises:
            LorifyError: as `initialize_hypernetwork`.
        """
        self.config, self.base = config, base
        self.train_steps, self.heldout_steps, self.relevance = train_steps, heldout_steps, relevance
        torch.manual_seed(config.seed)
        self.hypernetwork_config, hypernetwork = initialize_hypernetwork(config, base)
        self.hypernetwork = hypernetwork.to(base.device)
        if config.init_from is None:
            fit_to_activations(self.hypernetwork, self.hypernetwork_config, base, train_steps.build(0).chunks)
        bf16 = config.optimization.computes_in_bf16(base.device)
        shared = (base, self.hypernetwork_config, self.hypernetwork)
        self._batches = PrefetchedBatches(train_steps.build, base.device)
        self._encoder = StepEncoder(*shared, bf16)
        self._finder = AnswerFinder(*shared, relevance, bf16) if relevance is not None else None
        self._scorer = AnswerScorer(*shared, config.optimization)

    @property
    def module(self) -> AssociativeHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`, with loss and exact match by kind."""
        optimization = self.config.optimization
        step, seconds = self._batches.take(batch)
        scores, num_tokens = self._score(step)
        is_general = torch.tensor([kind == "general" for kind in step.kinds], device=scores.loss.device)
        loss = (scores.loss * torch.where(is_general, optimization.preservation_kl_weight, 1.0)).mean()
        metrics: dict[str, float] = {}
        if len(scores.retrieval):
            loss = loss + optimization.retrieval_weight * scores.retrieval.mean()
            metrics["loss/retrieval"] = scores.retrieval.mean().item()
        metrics |= metrics_by_kind(step.kinds, scores.loss, scores.exact)
        return BatchLoss(loss, metrics, num_tokens, data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute loss and exact match by kind on held-out batches, the same batches every time."""
        totals = KindTotals()
        for index in range(self.config.evaluation_batches):
            step = self.heldout_steps.build(index)
            scores, _ = self._score(step)
            totals.add("loss/retrieval", scores.retrieval.tolist())
            totals.add_questions(step.kinds, scores.loss, scores.exact)
        return totals.means()

    def score(self, heldout: Mapping[str, float]) -> float:
        """Sum exact match over the kinds."""
        return total_exact(heldout)

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork with its relevance."""
        save_associative(folder, self.hypernetwork_config, self.hypernetwork, relevance=self.relevance)

    def _score(self, step: Step) -> tuple[SegmentScores, int]:
        """Scores of all segments of a step, and its number of tokens."""
        memory = self._encoder.encode(step)
        rows = plan_rows(step, memory, self._finder)
        A, B = self.hypernetwork.lora_A(), write_rows(self.hypernetwork, step, rows, memory)
        parts: list[SegmentScores] = []
        numbers: list[int] = []
        num_tokens = sum(map(len, step.chunks))
        for group in split_by_length([sum(len(s.prompt) for s in row.segments) for row in rows], ROW_GROUPS):
            lora = address_adapters(self.hypernetwork_config, self.hypernetwork, A, B[:, group])
            scores, more_tokens = self._scorer.score([rows[i] for i in group], lora, memory)
            parts.append(scores)
            numbers += [number for i in group for number in rows[i].numbers]
            num_tokens += more_tokens
        order = torch.tensor(numbers, device=self.base.device).argsort()
        scores = SegmentScores.concatenated(parts)
        return replace(scores, loss=scores.loss[order], exact=scores.exact[order]), num_tokens
