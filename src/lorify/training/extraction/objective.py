"""Training of an extractor on questions whose answers are in a text.

Shape letters: N questions, T tokens of the longest input.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lorify.base.loading import best_device
from lorify.errors import ExtractorError
from lorify.extraction.config import ExtractorConfig
from lorify.extraction.extractor import answer_log_probabilities
from lorify.extraction.inputs import ExtractorInput, encode_inputs, stack_inputs
from lorify.extraction.model import FORMS, ExtractorLogits, ExtractorNetwork, load_encoder
from lorify.extraction.storage import load_network, save_extractor
from lorify.training.associative.kind_metrics import KindTotals, metrics_by_kind, total_exact
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.extraction.batches import VERDICT, Asked, QuestionSampler
from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.passages import prepare_passages
from lorify.training.preparation import Preparation

HELDOUT_BATCH = 32
NO_FORM = -100
"""Form of a missing answer, which is not learned."""
GROUP_SIZE = 9
"""Questions that a CPU processes together in training."""
ACCELERATOR_GROUP_SIZE = 64
"""Questions that an accelerator processes together in training."""


def prepare_extraction(config: ExtractionTrainingConfig, _preparation: Preparation) -> ExtractionObjective:
    """Read the data, load the encoder and build the objective.

    Raises:
        LorifyError: if data or encoder cannot be read.
    """
    sampler = QuestionSampler(config, *prepare_passages(config.data))
    if config.init_from is not None:
        extractor, network, tokenizer = load_network(config.init_from)
        if extractor.rank != config.extractor.rank:
            raise ExtractorError(
                f"{config.init_from} has rank {extractor.rank}, not {config.extractor.rank}; set extractor.rank to "
                f"{extractor.rank}"
            )
        return ExtractionObjective(config, extractor, network, tokenizer, sampler)
    encoder, tokenizer, digest = load_encoder(config.extractor)
    torch.manual_seed(config.seed)
    network = ExtractorNetwork(encoder, config.extractor.rank)
    extractor = config.extractor.model_copy(update={"encoder_digest": digest})
    return ExtractionObjective(config, extractor, network, tokenizer, sampler)


class _Row(NamedTuple):
    """An input and its answer.

    Attributes:
        kind: kind of the question.
        source: the input.
        begins: tokens where the answer may begin: at each occurrence, or at [CLS] if there is none; any token of the
            text for a verdict; any token of the answer if a part of it is enough.
        ends: the same for its end.
        form: index of the answer's form in `FORMS`; None without an answer.
    """

    kind: str
    source: ExtractorInput
    begins: Sequence[int]
    ends: Sequence[int]
    form: int | None


class ExtractionObjective:
    """Questions about texts, in which the extractor finds the answers."""

    def __init__(
        self,
        config: ExtractionTrainingConfig,
        extractor: ExtractorConfig,
        network: ExtractorNetwork,
        tokenizer: PreTrainedTokenizerBase,
        sampler: QuestionSampler,
    ) -> None:
        """Start with an untrained network.

        Args:
            config: the run.
            extractor: config of the extractor, with the digest of its encoder.
            network: its network.
            tokenizer: tokenizer of its encoder.
            sampler: draws the questions.
        """
        self.config, self.extractor, self.tokenizer, self.sampler = config, extractor, tokenizer, sampler
        self.device = best_device()
        self.network = network.to(self.device)
        self._batches = PrefetchedBatches(lambda batch: self._rows(sampler.batch(batch)), self.device)

    @property
    def module(self) -> ExtractorNetwork:
        """The network."""
        return self.network

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`, with loss and exact match by kind."""
        self.network.train()
        built, seconds = self._batches.take(batch)
        rows = sorted(built, key=lambda row: len(row.source.ids))
        if not rows:
            return BatchLoss(self.network.head.weight.sum() * 0, {}, 0)
        # Process groups of similar length, since padding costs as much as tokens.
        size = GROUP_SIZE if self.device.type == "cpu" else ACCELERATOR_GROUP_SIZE
        scores = [self._score(rows[start : start + size]) for start in range(0, len(rows), size)]
        loss, exact = (torch.cat(parts) for parts in zip(*scores, strict=True))
        metrics = metrics_by_kind([row.kind for row in rows], loss, exact)
        return BatchLoss(loss.mean(), metrics, sum(len(row.source.ids) for row in rows), data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute loss and share of answers found by kind, on held-out texts."""
        self.network.eval()
        totals = KindTotals()
        rows = sorted(self._rows(self.sampler.heldout_questions()), key=lambda row: len(row.source.ids))
        for start in range(0, len(rows), HELDOUT_BATCH):
            part = rows[start : start + HELDOUT_BATCH]
            totals.add_questions([row.kind for row in part], *self._score(part))
        return totals.means()

    def score(self, heldout: Mapping[str, float]) -> float:
        """Sum the share of answers found over the kinds."""
        return total_exact(heldout)

    def save_best(self, folder: Path) -> None:
        """Write the extractor."""
        save_extractor(folder, self.extractor, self.network)

    def _rows(self, asked: Sequence[Asked]) -> list[_Row]:
        """The inputs of questions; for a long text, the first input with the answer."""
        rows: list[_Row] = []
        for each in asked:
            for source in encode_inputs(self.tokenizer, self.extractor, each.question, each.text):
                if (row := _row(each, source)) is not None:
                    rows.append(row)
                    break
        return rows

    def _score(self, rows: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        """Loss of each question, and whether the most likely beginning, end and form are right; both `[N]`."""
        batch = stack_inputs([row.source for row in rows])
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.config.optimization.computes_in_bf16(self.device)
        ):
            logits = self.network(*(tensor.to(self.device) for tensor in batch[:3]))
        found = answer_log_probabilities(logits, batch.is_allowed.to(self.device))
        targets = (_mask([row.begins for row in rows], batch.ids), _mask([row.ends for row in rows], batch.ids))
        loss, is_right = span_loss(found, targets[0].to(self.device), targets[1].to(self.device))
        forms = torch.tensor([NO_FORM if row.form is None else row.form for row in rows], device=self.device)  # [N]
        form_loss = F.cross_entropy(found.forms, forms, ignore_index=NO_FORM, reduction="none")
        return loss + form_loss, is_right & ((forms == NO_FORM) | (found.forms.argmax(-1) == forms))


def _row(asked: Asked, source: ExtractorInput) -> _Row | None:
    """Join a question with an input; None if the answer is not in the input."""
    if asked.answer is None:
        return _Row(asked.kind, source, [0], [0], None)
    if asked.kind == VERDICT:
        return _Row(asked.kind, source, source.text_tokens, source.text_tokens, FORMS.index(asked.answer))
    begins, ends = _find_answer(source, asked.text, asked.answer)
    if begins and not asked.is_exact:
        begins = ends = sorted(
            {token for span in zip(begins, ends, strict=True) for token in range(span[0], span[1] + 1)}
        )
    return _Row(asked.kind, source, begins, ends, FORMS.index("words")) if begins else None


def span_loss(found: ExtractorLogits, begins: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss and the correctness of located answers.

    Args:
        found: log-probabilities of beginnings and ends, each `[N, T]`.
        begins: True where an occurrence of the answer begins `[N, T]`; any of them is right.
        ends: the same for its end.

    Returns:
        Mean of the cross-entropies of beginning and end, and whether the most likely beginning and end are right; both
        `[N]`.
    """
    losses, right = [], []
    for log_probabilities, targets in ((found.begins, begins), (found.ends, ends)):
        losses.append(-log_probabilities.masked_fill(~targets, float("-inf")).logsumexp(-1))
        right.append(targets.gather(1, log_probabilities.argmax(-1, keepdim=True)).squeeze(1))
    return (losses[0] + losses[1]) / 2, right[0] & right[1]


def _mask(indices: Sequence[Sequence[int]], like: Tensor) -> Tensor:
    """True at some tokens of each row `[N, T]`."""
    mask = torch.zeros(like.shape, dtype=torch.bool)
    for row, own in enumerate(indices):
        mask[row, list(own)] = True
    return mask


def _find_answer(source: ExtractorInput, text: str, answer: str) -> tuple[list[int], list[int]]:
    """The tokens where the occurrences of an answer begin and end, as whole words if possible."""
    whole = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", text)]
    found = whole or [m.start() for m in re.finditer(re.escape(answer), text)]
    spans = [
        (begin, end)
        for at in found
        if (begin := _token_at(source, at)) is not None and (end := _token_at(source, at + len(answer) - 1)) is not None
    ]
    return [begin for begin, _ in spans], [end for _, end in spans]


def _token_at(source: ExtractorInput, character: int) -> int | None:
    """The token of the text that contains a character; None if the input ends before it."""
    index = bisect_right(source.offsets, character, key=lambda offset: offset[0]) - 1
    if index < 0 or character >= source.offsets[index][1]:
        return None
    return source.num_before + index
