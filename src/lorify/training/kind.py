"""A kind of training run: everything `lorify train` needs to know about it.

The package of a kind defines one `TrainingKind`, and `lorify.training.registry` lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lorify.data.examples import Example
from lorify.hypernets.training_config import TrainingConfig
from lorify.training.dry_run import DryRun
from lorify.training.engine.objective import Objective
from lorify.training.preparation import Preparation

Config = TypeVar("Config", bound=TrainingConfig)


@dataclass(frozen=True)
class TrainingKind(Generic[Config]):
    """A kind of training run.

    Attributes:
        name: `kind` in the run's config.
        config: pydantic model of the config, with a field `kind`; every field has a default.
        prepare: reads data and base, and builds the objective.
        output: noun phrase that tells users what the run's folder `best` holds.
        dry_run: estimates parameters, memory and time from a config; None if the kind has no estimate.
        heldout_passages: natural passages that a config holds out; None if the kind does not train on any.
    """

    name: str
    config: type[Config]
    prepare: Callable[[Config, Preparation], Objective]
    output: str
    dry_run: Callable[[Config], DryRun] | None = None
    heldout_passages: Callable[[Config], Sequence[Example]] | None = None
