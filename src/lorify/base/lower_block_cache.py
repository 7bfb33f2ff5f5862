"""Rows that were seen before skip the lower blocks of a frozen model.

Where adapters start at a higher block and many contexts are asked the same question, rows of a batch, and of later
batches, are the same up to that block. Hooks on the blocks below cut the batch down to the rows that are new, and the
hook of the first adapted block gives every row its hidden states, which are kept for the next batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

KEPT_TOKENS = 16_384
Key = tuple[int, bool, bytes]


@dataclass(frozen=True)
class _Sharing:
    """What the blocks below `first_layer` compute.

    Attributes:
        first_layer: the block from which on all rows are computed.
        keys: what each row is known by.
        chosen: rows that are computed below, one of each key that is new.
    """

    first_layer: int
    keys: list[Key]
    chosen: list[int]


class LowerBlockCache:
    """Hooks on the blocks of a model, which do nothing outside of `applied`, and the hidden states that they keep."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        """Install the hooks."""
        self._current: ContextVar[_Sharing | None] = ContextVar(f"rows-{id(self)}", default=None)
        self._kept: OrderedDict[Key, Tensor] = OrderedDict()  # key -> [tokens, hidden]
        for index, block in enumerate(blocks):
            block.register_forward_pre_hook(self._hook(index), with_kwargs=True)

    @contextmanager
    def applied(self, first_layer: int, *inputs: Tensor) -> Iterator[None]:
        """Skip what is known below a block, in one forward pass inside the `with`.

        Args:
            first_layer: the first block that is not the bare base's; 0 for no sharing.
            inputs: all that decides a row's hidden states, with rows first: token ids, positions, attention mask.
        """
        sharing = None
        if first_layer:
            flat = torch.cat([tensor.flatten(1).to(torch.int32) for tensor in inputs], dim=1).cpu().numpy()
            low = torch.is_autocast_enabled(inputs[0].device.type)
            keys = [(first_layer, low, row.tobytes()) for row in flat]
            new = {key: row for row, key in enumerate(keys) if key not in self._kept}
            # Blocks cannot do with an empty batch, so one row is always there.
            sharing = _Sharing(first_layer, keys, sorted(new.values()) or [0])
        token = self._current.set(sharing)
        try:
            yield
        finally:
            self._current.reset(token)

    def _hook(self, index: int):
        def share(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
            sharing = self._current.get()
            if sharing is None or index > sharing.first_layer:
                return None
            hidden = args[0] if args else kwargs["hidden_states"]
            rest = args[1:]
            if index == sharing.first_layer:
                hidden = self._all_rows(hidden, sharing)
            else:
                hidden = hidden[sharing.chosen] if index == 0 else hidden
                rest, kwargs = (
                    tuple(_cut(value, sharing) for value in rest),
                    {name: _cut(value, sharing) for name, value in kwargs.items()},
                )
            return ((hidden, *rest), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

        return share

    def _all_rows(self, computed: Tensor, sharing: _Sharing) -> Tensor:
        """Hidden states `[chosen, tokens, hidden]` -> of all rows."""
        known = {sharing.keys[row]: computed[i] for i, row in enumerate(sharing.chosen)}
        for key in sharing.keys:
            if key not in known:
                known[key] = self._kept[key]
        rows = torch.stack([known[key] for key in sharing.keys])
        for key, states in known.items():
            self._kept[key] = states.detach()
            self._kept.move_to_end(key)
        while len(self._kept) > max(1, KEPT_TOKENS // computed.shape[1]):
            self._kept.popitem(last=False)
        return rows


def _cut(value: object, sharing: _Sharing) -> object:
    """The chosen rows of what has a row for each row of the batch; everything else as it is."""
    if isinstance(value, tuple):
        return tuple(_cut(item, sharing) for item in value)
    if isinstance(value, Tensor) and value.dim() > 1 and len(value) == len(sharing.keys):
        return value[sharing.chosen]
    return value
