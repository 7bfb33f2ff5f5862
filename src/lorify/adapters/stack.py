"""Adapters that run together, each with a scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lorify.adapters.adapter import Adapter
from lorify.errors import AdapterError


@dataclass(frozen=True)
class AdapterStack:
    """Adapters whose updates are added up; an empty stack is the bare base.

    Attributes:
        parts: (adapter, scale); a scale of 1.0 leaves the adapter unchanged.
    """

    parts: tuple[tuple[Adapter, float], ...] = ()

    @classmethod
    def of(cls, adapters: AdapterLike) -> AdapterStack:
        """Turn an adapter, a stack or None (the bare base) into a stack.

        Raises:
            AdapterError: if it is something else, such as the path of an adapter.
        """
        if adapters is None:
            return cls()
        if isinstance(adapters, Adapter):
            return cls(((adapters, 1.0),))
        if isinstance(adapters, AdapterStack):
            return adapters
        raise AdapterError(
            f"expected an adapter, got {type(adapters).__name__}; read one from its folder with load_adapter, and "
            "combine several with `combine([(adapter, 1.0), ...])`"
        )

    @property
    def is_empty(self) -> bool:
        """Whether this is the bare base."""
        return not self.parts

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The adapters without their scales."""
        return tuple(adapter for adapter, _ in self.parts)

    @property
    def needs_default_system_message(self) -> bool:
        """Whether an adapter has an effect only in chats that begin with the base's default system message."""
        return any(adapter.provenance.needs_default_system_message for adapter in self.adapters)

    @property
    def has_published_chat(self) -> bool:
        """Whether an adapter was trained in the chats of Text-to-LoRA."""
        return any(adapter.provenance.has_published_chat for adapter in self.adapters)

    def __iter__(self) -> Iterator[tuple[Adapter, float]]:
        """Iterate over (adapter, scale)."""
        return iter(self.parts)


AdapterLike = Adapter | AdapterStack | None
"""Forms in which public methods accept adapters; None is the bare base."""
