"""The linear layers that a hypernetwork adapts. Each has the same size in all adapted blocks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError

DEFAULT_MODULE = "down_proj"
"""The linear layer of each block that is adapted if no hypernetwork specifies one."""


class AdaptedModule(BaseModel):
    """A linear layer that is adapted in every adapted block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^.]+$", description="Name of the linear layer, such as `q_proj`.")
    in_features: int = Field(gt=0, description="Its input features.")
    out_features: int = Field(gt=0, description="Its output features.")


def adapted_modules(base: BaseLM, layers: Sequence[int], names: Sequence[str]) -> tuple[AdaptedModule, ...]:
    """Look up linear layers of a base and their sizes.

    Args:
        base: the base model.
        layers: indices of the adapted blocks.
        names: names of the linear layers, such as `down_proj`.

    Raises:
        BaseModelError: if one of the blocks has no such linear layer.
        HypernetworkError: if a linear layer differs in size between blocks.
    """
    found = []
    for name in names:
        sizes = {(base.linear(layer, name).in_features, base.linear(layer, name).out_features) for layer in layers}
        if len(sizes) > 1:
            raise HypernetworkError(f"{name} of base {base.name} has different sizes in its blocks; adapt fewer blocks")
        in_features, out_features = sizes.pop()
        found.append(AdaptedModule(name=name, in_features=in_features, out_features=out_features))
    return tuple(found)
