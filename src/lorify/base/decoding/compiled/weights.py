"""The matrices of a base stored in blocks, and their cache file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.decoding.compiled.constants import Constants
from lorify.base.decoding.compiled.layout import blocked_weights, check_samples
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

LINEAR_GROUPS = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
"""Groups of linear layers of a block that share their input; each group becomes one matrix."""
HEAD = "head"

LAYOUT_VERSION = 1
"""Version of the cached files; raise it when the layout changes."""


@dataclass(frozen=True)
class BlockedMatrix:
    """A matrix `[out, in]` in blocks of outputs; see `blocked_weights` for the shapes.

    Attributes:
        words: its levels.
        step: distance between two levels.
        low: value of level 0.
        size: number of outputs, without the padding of the last block.
    """

    words: np.ndarray
    step: np.ndarray
    low: np.ndarray
    size: int

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levels, steps and values of level 0."""
        return self.words, self.step, self.low

    @property
    def num_blocks(self) -> int:
        """Number of blocks of outputs."""
        return self.words.shape[0]

    @property
    def words_shape(self) -> tuple[int, int]:
        """Number of groups of inputs, and of words of a group."""
        return self.words.shape[1], self.words.shape[2]


Matrices = Mapping[str, BlockedMatrix]
"""The matrices of a base, keyed by `matrix_name`, and its output layer, keyed by `HEAD`."""


def matrix_name(layer: int, first: str) -> str:
    """Return the name of a group's matrix, made from its block and its first linear layer."""
    return f"{layer}.{first}"


def weights_folder(base: BaseLM) -> Path:
    """Return the cache folder of the matrices of a base."""
    return cache_dir() / "decoding" / f"{base.digest[:32]}-blocks-{LAYOUT_VERSION}"


def read_matrices(base: BaseLM) -> Matrices | None:
    """Map the cached matrices of a base into memory; None if they are missing or incomplete."""
    folder = weights_folder(base)
    constants = Constants.read(folder)
    try:
        return None if constants is None else _matrices(base, constants.arrays(folder))
    except (OSError, ValueError, KeyError, IndexError):
        return None


def build_constants(base: BaseLM) -> Constants:
    """Store the weights of a base in blocks.

    Raises:
        OffGridError: if some weights do not lie on a quantization grid.
    """
    check_samples(linear.weight for linear in base.linear_keys.values())
    constants = Constants()
    for name, linears in _linears(base).items():
        for part, values in blocked_weights([linear.weight for linear in linears]).items():
            constants.add(f"{name}.{part}", values.numpy())
    return constants


def matrices_of(base: BaseLM, constants: Constants) -> Matrices:
    """Return the matrices of a base from constants that are in memory."""
    return _matrices(base, constants.arrays())


def write_constants(base: BaseLM, constants: Constants) -> None:
    """Write the matrices of a base into the cache.

    Raises:
        BaseModelError: if they cannot be written.
    """
    folder = weights_folder(base)
    shutil.rmtree(folder, ignore_errors=True)
    build_cached_folder(folder, constants.write, lambda _: Constants.read(folder) is not None, BaseModelError)


def _matrices(base: BaseLM, arrays: Mapping[str, np.ndarray]) -> Matrices:
    return {
        name: BlockedMatrix(
            arrays[f"{name}.words"],
            arrays[f"{name}.step"],
            arrays[f"{name}.low"],
            sum(linear.out_features for linear in linears),
        )
        for name, linears in _linears(base).items()
    }


def _linears(base: BaseLM) -> dict[str, list[nn.Linear]]:
    """The linear layers of each matrix."""
    head: Any = base.model.get_output_embeddings()
    groups = {
        matrix_name(layer, names[0]): [base.linear(layer, name) for name in names]
        for layer in range(base.num_layers)
        for names in LINEAR_GROUPS
    }
    return {**groups, HEAD: [head]}
