"""Check whether the weights that were read fit a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def find_mismatch(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Describe the first tensor that is missing, unexpected or has another shape; None if all fit.

    Args:
        wanted: the weights of the network.
        found: the weights that were read.
    """
    shapes, own = ({name: tuple(tensor.shape) for name, tensor in some.items()} for some in (wanted, found))
    if shapes == own:
        return None
    name = min({entry[0] for entry in shapes.items() ^ own.items()})
    return f"{name} is {own.get(name, 'missing')}, expected {shapes.get(name, 'nothing')}"
