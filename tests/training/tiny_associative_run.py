"""A training run of a tiny associative hypernetwork."""

from tiny import tiny_base

from lorify.base.model import BaseLM
from lorify.data.examples import Example, Question
from lorify.hypernets.associative.training_config import (
    AssociativeData,
    AssociativeOptimization,
    AssociativeSettings,
    AssociativeTrainingConfig,
)
from lorify.hypernets.relevance import Relevance
from lorify.training.associative.batches import GeneralAnswer, StepBuilder
from lorify.training.associative.objective import AssociativeObjective
from lorify.training.engine.loop import Trainer

PASSAGE = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "passages")
TEXT = Example(("Ada keeps bees.",), (Question("How does this go on? Ada", ("keeps bees.",)),), "texts")
GENERAL = GeneralAnswer(prompt=(1, 40, 41, 42), answer=(50, 51, 2))


def tiny_config(**optimization) -> AssociativeTrainingConfig:
    return AssociativeTrainingConfig(
        base="tiny",
        hypernetwork=AssociativeSettings(first_layer=0, last_layer=1, rank=8, width=16, bias_rank=2, chunk_tokens=64),
        data=AssociativeData(
            facts=1,
            questions=1,
            niah=1,
            texts=1,
            niah_min_tokens=120,
            niah_max_tokens=160,
            questions_per_context=2,
            general_probability=0.5,
            distractor_probability=0.5,
        ),
        optimization=AssociativeOptimization(**{"steps": 4, "warmup_steps": 1, "bf16": False, **optimization}),
        evaluate_every=2,
        evaluation_batches=1,
        checkpoint_every=1,
    )


def trainer(folder, config: AssociativeTrainingConfig, base: BaseLM | None = None) -> Trainer:
    base = tiny_base() if base is None else base
    builders = [
        StepBuilder(config, base, passages=[PASSAGE], texts=[TEXT], general=[GENERAL], heldout=heldout)
        for heldout in (False, True)
    ]
    relevance = Relevance(threshold=0.1, unseen_weight=5.0, weights={})
    objective = AssociativeObjective(
        config, base, train_steps=builders[0], heldout_steps=builders[1], relevance=relevance
    )
    return Trainer(config, objective, folder)
