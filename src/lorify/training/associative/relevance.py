"""Fit the relevance of a new associative hypernetwork to its training documents."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.sources.general import general_training_prompts
from lorify.data.sources.niah import generate_niah_example
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.relevance import Relevance, fit_relevance

RELEVANCE_EXAMPLES = 1500


def prepare_relevance(config: AssociativeTrainingConfig, passages: Sequence[Example]) -> Relevance:
    """Fit word weights and threshold to the kinds of documents that a run trains on.

    Args:
        config: config of the run.
        passages: its natural passages.
    """
    rng = random.Random(f"{config.seed}/relevance")
    examples = list(rng.sample(passages, min(len(passages), RELEVANCE_EXAMPLES)))
    if config.data.facts or not passages:
        examples += [generate_fact_example(rng) for _ in range(RELEVANCE_EXAMPLES)]
    # Every needle context has the same words, so one is enough.
    examples.append(generate_niah_example(rng, length_tokens=256, count_tokens=lambda text: len(text.split())))
    rng.shuffle(examples)
    pairs = [(rng.choice(example.questions).text, "\n".join(example.documents)) for example in examples]
    return fit_relevance(pairs, general_training_prompts())
