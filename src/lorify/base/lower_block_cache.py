"""A cache of hidden states that lets repeated rows skip the blocks below the first adapted one.

If adapters start at a higher block and many contexts are asked the same question, rows have the same hidden states up
to that block, within a batch and across batches. Hooks on the blocks below reduce the batch to its new rows. The hook
of the first adapted block restores all rows and caches their hidden states for later batches.
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
class _Plan:
    """Which rows the blocks below `first_layer` compute in one forward pass.

    Attributes:
        first_layer: index of the first block that computes all rows.
        keys: cache key of each row.
        chosen: indices of the rows that the blocks below compute, one for each key not in the cache.
    """

    first_layer: int
    keys: list[Key]
    chosen: list[int]


class LowerBlockCache:
    """Hooks on a model's blocks, inactive outside `applied`, and the hidden states that they cache."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        """Install the hooks."""
        self._current: ContextVar[_Plan | None] = ContextVar(f"rows-{id(self)}", default=None)
        self._kept: OrderedDict[Key, Tensor] = OrderedDict()  # key -> [tokens, hidden]
        for index, block in enumerate(blocks):
            block.register_forward_pre_hook(self._hook(index), with_kwargs=True)

    @contextmanager
    def applied(self, first_layer: int, *inputs: Tensor) -> Iterator[None]:
        """Skip cached rows below a block, for one forward pass inside the `with` block.

        Args:
            first_layer: index of the first adapted block; 0 to compute every row in every block.
            inputs: all tensors that determine a row's hidden states (token ids, positions, attention mask), each with
                the rows as its first dimension.
        """
        plan = None
        if first_layer:
            flat = torch.cat([tensor.flatten(1).to(torch.int32) for tensor in inputs], dim=1).cpu().numpy()
            low = torch.is_autocast_enabled(inputs[0].device.type)
            keys = [(first_layer, low, row.tobytes()) for row in flat]
            new = {key: row for row, key in enumerate(keys) if key not in self._kept}
            # Blocks do not accept an empty batch, so at least one row is computed.
            plan = _Plan(first_layer, keys, sorted(new.values()) or [0])
        token = self._current.set(plan)
        try:
            yield
        finally:
            self._current.reset(token)

    def _hook(self, index: int):
        def reduce_or_restore(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
            plan = self._current.get()
            if plan is None or index > plan.first_layer:
                return None
            hidden = args[0] if args else kwargs["hidden_states"]
            rest = args[1:]
            if index == plan.first_layer:
                hidden = self._all_rows(hidden, plan)
            else:
                hidden = hidden[plan.chosen] if index == 0 else hidden
                rest, kwargs = (
                    tuple(_cut(value, plan) for value in rest),
                    {name: _cut(value, plan) for name, value in kwargs.items()},
                )
            return ((hidden, *rest), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

        return reduce_or_restore

    def _all_rows(self, computed: Tensor, plan: _Plan) -> Tensor:
        """Return the hidden states of all rows, given those of the chosen ones `[chosen, tokens, hidden]`."""
        known = {plan.keys[row]: computed[i] for i, row in enumerate(plan.chosen)}
        for key in plan.keys:
            if key not in known:
                known[key] = self._kept[key]
        rows = torch.stack([known[key] for key in plan.keys])
        for key, states in known.items():
            self._kept[key] = states.detach()
            self._kept.move_to_end(key)
        while len(self._kept) > max(1, KEPT_TOKENS // computed.shape[1]):
            self._kept.popitem(last=False)
        return rows


def _cut(value: object, plan: _Plan) -> object:
    """Select the chosen rows of tensors with one row per batch row; return anything else unchanged."""
    if isinstance(value, tuple):
        return tuple(_cut(item, plan) for item in value)
    if isinstance(value, Tensor) and value.dim() > 1 and len(value) == len(plan.keys):
        return value[plan.chosen]
    return value
