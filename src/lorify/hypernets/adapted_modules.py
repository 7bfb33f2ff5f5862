"""Linear layers that a hypernetwork adapts, with their sizes: the same in every adapted block."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError


class AdaptedModule(BaseModel):
    """A linear layer that is adapted in every adapted block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^.]+$", description="Name of the linear layer, such as `q_proj`.")
    in_features: int = Field(gt=0, description="Its input features.")
    out_features: int = Field(gt=0, description="Its output features.")


def adapted_modules(base: BaseLM, layers: Sequence[int], names: Sequence[str]) -> tuple[AdaptedModule, ...]:
    """Linear layers of a base by name, with their sizes.

    Raises:
        BaseModelError: if the base has no such linear layer in one of the blocks.
        HypernetworkError: if it has another size in another block.
    """
    found = []
    for name in names:
        sizes = {(base.linear(layer, name).in_features, base.linear(layer, name).out_features) for layer in layers}
        if len(sizes) > 1:
            raise HypernetworkError(f"{name} of base {base.name} has different sizes in its blocks; adapt fewer blocks")
        in_features, out_features = sizes.pop()
        found.append(AdaptedModule(name=name, in_features=in_features, out_features=out_features))
    return tuple(found)
