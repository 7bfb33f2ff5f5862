"""How likely the adapter of a description does its task, estimated before it gets any input.

The adapter is tried on a few fixed inputs. If the hypernetwork understood the description, the base is sure of the
first token of its answers, and that token differs from the one without the adapter. A logistic regression combines such
signals with the length and form of the description. It is fitted once per hypernetwork, on tasks with known answers
(`lorify.evaluation.scoring.description_estimate`), and saved next to its weights.

Shape letters: P inputs, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from lorify.adapters import Adapter, build_lora_batch
from lorify.answering.calibration.fitted import MIN_PROBABILITY, FittedModel
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM

PROBES = (
    "happy",
    "The train to Lisbon leaves at 9:40 on Friday, and Maria Lopez has two tickets.",
    "apple, river, 17, chair, blue",
    "I waited forty minutes for a cold soup. The waiter was kind, but I will not come back.",
    "What is the capital of the country north of Italy?",
    "Dear team, please send the report by Monday, 12 May 2025. Thanks, Ivan",
    "[order] 3 x lamp; 2 x desk | total: 140 EUR",
    "Premise: A man plays a guitar on stage. Hypothesis: Somebody makes music.",
)
"""Inputs of different kinds that adapters are tried on."""
SHORT_TOKENS = 16
"""Descriptions of at most this many tokens count as short."""


class DescriptionSignals(NamedTuple):
    """Signals for whether an adapter does what its description asks.

    The first six are about the first token of the answers to `PROBES`.

    Attributes:
        entropy: mean entropy.
        surprisal: mean surprisal of the most probable token.
        odds: mean log-odds of the most probable token.
        named: share of the most probable tokens that occur in the description.
        change: logarithm of 1 plus the mean KL divergence from the answers without the adapter.
        spread: the same for the standard deviation of that divergence.
        excess: logarithm of 1 plus the number of tokens above `SHORT_TOKENS` in the description.
        quotes: logarithm of 1 plus the number of quotation marks.
        sentences: logarithm of 1 plus the number of full stops.
    """

    entropy: float
    surprisal: float
    odds: float
    named: float
    change: float
    spread: float
    excess: float
    quotes: float
    sentences: float


class DescriptionModel(FittedModel):
    """A logistic regression from the signals of a description to the probability that its adapter does the task.

    Users are warned about descriptions with a probability below `threshold`.
    """

    file_name: ClassVar[str] = "descriptions.json"
    command: ClassVar[str] = "lorify eval descriptions --save"

    weights: tuple[float, float, float, float, float, float, float, float, float] = Field(
        description=f"Log-odds per unit of {', '.join(DescriptionSignals._fields)}."
    )

    def note(self, follows: float | None, way_out: str) -> str | None:
        """Return a warning about a description with a low probability; None if it is not low or unknown.

        Args:
            follows: the probability.
            way_out: what the user can do.
        """
        if follows is None or follows >= self.threshold:
            return None
        return f"the adapter probably does not follow this description (estimated at {follows:.0%}); {way_out}"


class DescriptionProbe:
    """Measures the signals of descriptions with the adapters of one base."""

    def __init__(self, base: BaseLM, prompts: PromptBuilder) -> None:
        """Run the base on `PROBES` without an adapter.

        Args:
            base: the base.
            prompts: builds the prompts as when the adapters are used.
        """
        self._base = base
        prompt_ids = [prompts.question_ids(probe) for probe in PROBES]
        self._last = torch.tensor([len(ids) - 1 for ids in prompt_ids], device=base.device)
        # Padding is on the right, where no token attends to it.
        longest = max(map(len, prompt_ids))
        self._ids = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in prompt_ids], device=base.device)
        self._without = self._first_tokens(None)  # [P, V]

    def signals(self, adapter: Adapter, description: str) -> DescriptionSignals:
        """Measure the signals in one forward pass of `PROBES`.

        Args:
            adapter: the adapter of the description.
            description: the description.
        """
        log = self._first_tokens(adapter)  # [P, V]
        probabilities = log.exp()
        best, tokens = log.max(-1)
        divergence = (probabilities * (log - self._without)).sum(-1).clamp_min(0)  # [P]
        likely = best.exp().clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        own = self._base.encode_text(description)
        words = {*own, *self._base.encode_text(f" {description}")}
        return DescriptionSignals(
            entropy=-(probabilities * log).sum(-1).mean().item(),
            surprisal=-best.mean().item(),
            odds=likely.logit().mean().item(),
            named=sum(token in words for token in tokens.tolist()) / len(PROBES),
            change=math.log1p(divergence.mean().item()),
            spread=math.log1p(divergence.std().item()),
            excess=math.log1p(max(0, len(own) - SHORT_TOKENS)),
            quotes=math.log1p(_count(description, '"“”')),
            sentences=math.log1p(_count(description, ".")),
        )

    @torch.no_grad()
    def _first_tokens(self, adapter: Adapter | None) -> Tensor:
        """Log-probabilities of the first token of each answer `[P, V]`, in float32."""
        # One row of updates applies to all rows.
        lora = None if adapter is None else build_lora_batch([adapter], self._base)
        with self._base.hooks.applied(lora):
            hidden = self._base.decoder(input_ids=self._ids, use_cache=False).last_hidden_state  # [P, tokens, hidden]
        rows = torch.arange(len(PROBES), device=hidden.device)
        return self._base.logits(hidden[rows, self._last]).float().log_softmax(-1)


def _count(text: str, characters: Sequence[str]) -> int:
    return sum(text.count(each) for each in characters)
