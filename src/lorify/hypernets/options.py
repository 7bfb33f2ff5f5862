"""Options for how a document hypernetwork generates adapters.

Each hypernetwork declares the ones it supports (`DocumentInternalizer.option_names`). They are defined here so that
commands, requests and evaluation accept the same values without depending on any hypernetwork.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lorify.errors import HypernetworkError

MAX_BIAS_SCALE = 2.0
"""Largest scale of a bias adapter, as in the demo of Doc-to-LoRA's authors; the smallest is its negative."""

ChunkTokens = Annotated[
    int | None, Field(gt=1, description="Longest chunk in tokens, in place of the hypernetwork's own.")
]
Iterative = Annotated[
    bool | None,
    Field(
        description="Generate the adapter block by block, which takes less memory, or at once. Default: block by block "
        "everywhere but on CUDA."
    ),
]
BiasScale = Annotated[
    float | None,
    Field(
        ge=-MAX_BIAS_SCALE,
        le=MAX_BIAS_SCALE,
        description="Scale of the part of adapters that is the same for all documents (Doc-to-LoRA's bias adapter); "
        "1 as in training, 0 leaves it out. Only for hypernetworks with a bias adapter.",
    ),
]


class InternalizerOptions(BaseModel):
    """Options of generation; None keeps the hypernetwork's own value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_tokens: ChunkTokens = None
    iterative: Iterative = None
    bias_scale: BiasScale = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the options that are given."""
        return tuple(self.model_dump(exclude_none=True))

    def check(self, known: Collection[str], hypernetwork: str) -> None:
        """Refuse options that a hypernetwork does not support.

        Args:
            known: names of the options that it supports.
            hypernetwork: its name.

        Raises:
            HypernetworkError: if another option is given.
        """
        unknown = [name for name in self.chosen if name not in known]
        if unknown:
            has = f"only {', '.join(sorted(known))}" if known else "no options"
            raise HypernetworkError(
                f"hypernetwork {hypernetwork} has no option {', '.join(unknown)}; leave it out (it has {has})"
            )


NO_OPTIONS = InternalizerOptions()
"""All options at the hypernetwork's own values."""


def recorded_bias_scale(scale: float | None) -> float | None:
    """Return a bias scale as the provenance of adapters records it: None if it is 1, as in training."""
    return None if scale == 1 else scale
