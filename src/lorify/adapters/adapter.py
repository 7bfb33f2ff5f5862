"""The adapter: low-rank weights for some linear layers of one base model, with their provenance.

`lora_A [r, d_in]`, `lora_B [d_out, r]` and `lora_alpha` have the same meaning as in PEFT: the update of a linear layer
is `y += (lora_alpha / r) * B A x`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from torch import Tensor

from lorify.adapters.document_statistics import DocumentStatistics
from lorify.adapters.pairs import Key, LoraPair, PairShape, RebuiltWeights
from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

_TIME = TypeAdapter(AwareDatetime)


def utc_now() -> str:
    """Return the current time in UTC in ISO 8601 format, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def lorify_version() -> str:
    """Return the version of this package; cached, since the lookup reads files."""
    return version("lorify")


class DocumentRecord(BaseModel):
    """A document that an adapter was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="File name, address or title.")
    digest: str = Field(description="SHA-256 of its text.")
    num_tokens: int = Field(ge=0, description="Length in tokens of the base model.")


class Provenance(BaseModel):
    """The base an adapter is for, the hypernetwork that made it, and its documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_name: str = Field(description="Base model it was made for.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    hypernetwork: str = Field(description="Name of the hypernetwork, or how else the adapter was made.")
    hypernetwork_digest: str | None = Field(default=None, description="SHA-256 of the hypernetwork's weights.")
    documents: tuple[DocumentRecord, ...] = Field(default=(), description="Documents in it, in order.")
    num_examples: int = Field(default=0, ge=0, description="Number of examples of its task that were fitted into it.")
    refined_seconds: float | None = Field(
        default=None, description="Time of gradient descent after the hypernetwork; null if there was none."
    )
    studied_seconds: float | None = Field(
        default=None,
        description="Time in which answers of the focused adapter were fitted into the weights; null if they were not.",
    )
    fidelity: float | None = Field(
        default=None, ge=0, le=1, description="Share of the documents' statements that it holds; null if not checked."
    )
    follows: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Estimated probability that it does what its description asks; null if not estimated.",
    )
    bias_scale: float | None = Field(
        default=None, description="Scale of Doc-to-LoRA's bias adapter, which all contexts share; null if it is 1."
    )
    needs_default_system_message: bool = Field(
        default=False, description="Whether it has an effect only in chats with the base's default system message."
    )
    has_published_chat: bool = Field(
        default=False,
        description="Whether it was trained in Text-to-LoRA's chats, which begin with an empty system turn.",
    )
    created: str = Field(default_factory=utc_now, description="Time it was made, ISO form, UTC.")
    lorify_version: str = Field(description="Version of lorify that made it.")

    @field_validator("created")
    @classmethod
    def _is_time(cls, value: str) -> str:
        try:
            _TIME.validate_python(value)
        except ValidationError as error:
            raise ValueError(f"created is {value!r}, expected an ISO time with a time zone") from error
        return value


def lora_scaling(lora_alpha: float, rank: float, *, use_rslora: bool) -> float:
    """Return the scale of a LoRA update: `lora_alpha / rank`, or `lora_alpha / sqrt(rank)` with rsLoRA.

    Args:
        lora_alpha: numerator of the scale.
        rank: rank of the update.
        use_rslora: divide by the root of the rank.

    Source: rsLoRA (arXiv 2312.03732).
    """
    return lora_alpha / (math.sqrt(rank) if use_rslora else rank)


@dataclass(frozen=True, eq=False)
class Adapter:
    """LoRA weights for one base model.

    Attributes:
        weights: (block index, module name) -> its pair; pairs may differ in rank. If they are computed from the
            statistics, they are `RebuiltWeights`.
        lora_alpha: the update of a pair is scaled by `lora_alpha / r`, with the rank r of that pair.
        provenance: base, hypernetwork and documents.
        statistics: for each document in `provenance.documents`, what the hypernetwork needs to rebuild the adapter
            when documents are added or removed; None if it cannot be rebuilt.
    """

    weights: Mapping[Key, LoraPair]
    lora_alpha: float
    provenance: Provenance
    statistics: tuple[DocumentStatistics, ...] | None = None

    def __post_init__(self) -> None:
        """Check that the parts are consistent.

        Raises:
            AdapterError: if there are no weights, `lora_alpha` is not a positive number, or the numbers of statistics
                and documents differ.
        """
        if not self.weights:
            raise AdapterError("the adapter has no weights; expected at least one adapted linear layer")
        if not (math.isfinite(self.lora_alpha) and self.lora_alpha > 0):
            raise AdapterError(f"lora_alpha is {self.lora_alpha}; expected a number above 0")
        num_documents = len(self.provenance.documents)
        if self.statistics is not None and len(self.statistics) != num_documents:
            raise AdapterError(
                f"the adapter has statistics of {len(self.statistics)} documents and records of {num_documents}; "
                "expected the same number"
            )

    def scaling(self, key: Key) -> float:
        """Return the scale `lora_alpha / r` of one linear layer's update."""
        shape = self.weights.shapes[key] if isinstance(self.weights, RebuiltWeights) else self.weights[key].shape
        return self.lora_alpha / shape.rank

    @property
    def rank(self) -> int:
        """Return the largest rank of all pairs."""
        return max(shape.rank for shape in self.shapes.values())

    @property
    def shapes(self) -> Mapping[Key, PairShape]:
        """Return the shape of each pair, without rebuilding any."""
        if isinstance(self.weights, RebuiltWeights):
            return self.weights.shapes
        return {key: pair.shape for key, pair in self.weights.items()}

    @property
    def num_bytes(self) -> int:
        """Return the size of the weights in bytes, without statistics; 0 if they are rebuilt from statistics."""
        if isinstance(self.weights, RebuiltWeights):
            return 0
        return sum(tensor.nbytes for pair in self.weights.values() for tensor in (pair.A, pair.B))

    @property
    def statistics_bytes(self) -> int:
        """Return the size of the statistics in bytes."""
        return sum(document.num_bytes for document in self.statistics or ())

    def with_held_weights(self) -> Adapter:
        """Return an adapter that holds its weights in memory; for code that reads pairs of many adapters in turn."""
        return replace(self, weights=dict(self.weights)) if isinstance(self.weights, RebuiltWeights) else self

    def to(self, dtype: torch.dtype) -> Adapter:
        """Return a copy with the weights in `dtype`; the statistics keep their dtype."""
        weights = {key: LoraPair(pair.A.to(dtype), pair.B.to(dtype)) for key, pair in self.weights.items()}
        return replace(self, weights=weights)

    def check_base(self, base: BaseLM) -> None:
        """Check that this adapter fits `base`.

        Raises:
            AdapterError: if it was made for other weights, or a pair does not fit its linear layer in the base.
        """
        made_for = self.provenance
        if made_for.base_digest != base.digest:
            raise AdapterError(
                f"the adapter was made for {made_for.base_name} (weights {made_for.base_digest[:8]}...), but the "
                f"loaded base is {base.name} (weights {base.digest[:8]}...): load it with --base {made_for.base_name}"
            )
        for key, shape in self.shapes.items():
            check_pair(key, shape, base)


def check_pair(key: Key, shape: PairShape, base: BaseLM) -> None:
    """Check that one pair fits its linear layer.

    Args:
        key: block and name of the linear layer.
        shape: shape of its LoRA matrices.
        base: the base that should have the layer.

    Raises:
        AdapterError: if the base has no such linear layer, or its size differs.
    """
    layer, module = key
    linear = base.linear_keys.get(key)
    if linear is None:
        raise AdapterError(
            f"the adapter adapts {module!r} of block {layer}, but base {base.name} has no such linear layer; "
            "load the base it was made for"
        )
    if (shape.d_in, shape.d_out) != (linear.in_features, linear.out_features):
        raise AdapterError(
            f"the adapter maps {shape.d_in} to {shape.d_out} features at {module!r} of block {layer}, but "
            f"base {base.name} maps {linear.in_features} to {linear.out_features}; load the base it was made for"
        )


ScaledAdapters = Sequence[tuple[Adapter, float]]
"""Adapters to sum, each with its own scale (1.0 leaves it unchanged)."""


def scaled_pairs(adapters: ScaledAdapters, key: Key) -> list[LoraPair]:
    """Return pairs for one linear layer whose updates `B A x` sum to the update of all `adapters`.

    Adapters with the same `A` (a hypernetwork may share it among all documents) become one pair with summed `B`, so
    the rank does not grow with their number.

    Args:
        adapters: the adapters; adapters without a pair for `key` are skipped.
        key: the linear layer.

    Returns:
        Pairs with distinct `A`, in order of first appearance. `B` is in float32 and includes `lora_alpha / r` and the
        adapter's scale.
    """
    pairs: list[LoraPair] = []
    for adapter, scale in adapters:
        pair = adapter.weights.get(key)
        if pair is None:
            continue
        factor = adapter.scaling(key) * scale
        B = pair.B.float() if factor == 1.0 else pair.B.float() * factor
        at = next((i for i, known in enumerate(pairs) if same_tensor(known.A, pair.A)), None)
        if at is None:
            pairs.append(LoraPair(pair.A, B))
        else:
            pairs[at] = LoraPair(pair.A, pairs[at].B + B.to(pairs[at].B.device))
    return pairs


def same_tensor(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have the same shape, dtype, device and values, without reading shared memory."""
    if a is b:
        return True
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    return (a.data_ptr() == b.data_ptr() and a.stride() == b.stride()) or torch.equal(a, b)
