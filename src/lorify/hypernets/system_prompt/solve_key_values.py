"""Solve for the writer of keys and values, from the activations of sample chats.

Shape letters as in `lorify.hypernets.system_prompt.key_values`; c tokens that every chat begins with, s of them slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.base.activations import Activations
from lorify.base.lora import LoraBatch, LoraTensors, stack_updates
from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.hypernets.system_prompt.description_reader import FIRST_SLOT, DescriptionReader
from lorify.hypernets.system_prompt.key_values import (
    DOWN_MODULE,
    GATE_MODULE,
    KEY_MODULE,
    UP_MODULE,
    VALUE_MODULE,
    KeyValueWriter,
    SlotGate,
    key_values_of,
)
from lorify.hypernets.system_prompt.network import SystemMessageHypernetwork
from lorify.hypernets.system_prompt.slots import FIXED_WEIGHT, fit_slots, fit_to_moments

MARK_SIZE = 0.3
"""Size of a mark, relative to the mean norm of hidden states there, small enough to barely affect other tokens."""
AMPLIFICATION = 30.0
"""Size of an amplified mark, relative to the largest mean norm of the hidden states of a block."""
RIDGE = 1e-6
MAX_ERROR = 0.3
"""A solution is kept if the relative error of its keys and values is at most this."""
MAX_CONFUSED = 0.01
"""A solution is kept if at most this share of other tokens is mistaken for a slot (a response above one half)."""


@dataclass(frozen=True)
class SampleChats:
    """Chats with adapters, one description per row; several chats may share a row.

    Attributes:
        descriptions: the description of each row.
        input_ids: `[rows, tokens]`.
        attention_mask: in the decoder's format.
        position_ids: `[rows, tokens]`; padding has position 0.
    """

    descriptions: Sequence[str]
    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor


def solve_key_values(
    base: BaseLM, hypernetwork: SystemMessageHypernetwork, reader: DescriptionReader, chats: Iterable[SampleChats]
) -> KeyValueWriter | None:
    """Solve for the writer of keys and values of a hypernetwork.

    Args:
        base: the base.
        hypernetwork: the hypernetwork.
        reader: reads descriptions for it.
        chats: chats as in training.

    Returns:
        The solution. None if the base is sharded or recurrent, lacks the required linear layers, or has no block above
        the gate; or if keys and values miss their targets, or other tokens are mistaken for slots.
    """
    if not _is_possible(base, hypernetwork):
        return None
    with torch.no_grad():
        return _Solver(base, hypernetwork, reader, list(chats)).solve()


def _is_possible(base: BaseLM, hypernetwork: SystemMessageHypernetwork) -> bool:
    marked = hypernetwork.config.marked_layer
    above = hypernetwork.config.overwritten_layers(base.num_layers)
    if base.is_recurrent or base.is_sharded or not above:
        return False
    if any(DOWN_MODULE not in base.writing_modules(layer) for layer in (marked, marked + 1)):
        return False
    needed = [(marked + 1, GATE_MODULE), (marked + 1, UP_MODULE)]
    needed += [(layer, module) for layer in above for module in (KEY_MODULE, VALUE_MODULE)]
    return all(key in base.linear_keys for key in needed)


class _Block:
    """Means over tokens that are not slots, in one block.

    Attributes:
        fixed: hidden states and inputs of attention of the tokens that every chat begins with `[m, d]` each.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.fixed = torch.zeros(0, size, device=device), torch.zeros(0, size, device=device)
        self._directions, self._inputs = torch.zeros(2, size, size, device=device)
        self._norm, self._count = 0.0, 0

    def add(self, states: Tensor, inputs: Tensor) -> None:
        """Add hidden states and inputs of attention of other tokens `[n, d]`."""
        unit = F.normalize(states, dim=-1)
        self._directions += unit.T @ unit
        self._inputs += inputs.T @ inputs
        self._norm += states.norm(dim=-1).sum().item()
        self._count += len(states)

    @property
    def norm(self) -> float:
        """Norm of a hidden state."""
        return self._norm / self._count

    @property
    def directions(self) -> Tensor:
        """Second moments of hidden states normalized to norm one `[d, d]`."""
        unit = F.normalize(self.fixed[0], dim=-1)
        return self._directions / self._count + FIXED_WEIGHT * unit.T @ unit

    @property
    def inputs(self) -> Tensor:
        """Second moments of the inputs of attention `[d, d]`."""
        return self._inputs / self._count + FIXED_WEIGHT * self.fixed[1].T @ self.fixed[1]


class _Solver:
    def __init__(
        self,
        base: BaseLM,
        hypernetwork: SystemMessageHypernetwork,
        reader: DescriptionReader,
        chats: Sequence[SampleChats],
    ) -> None:
        self.base, self.hypernetwork, self.reader, self.chats = base, hypernetwork, reader, chats
        config = hypernetwork.config
        self.num_slots, self.slots = config.num_slots, slice(FIRST_SLOT, FIRST_SLOT + config.num_slots)
        self.marked_layer, self.gate_layer = config.marked_layer, config.marked_layer + 1
        self.above = config.overwritten_layers(base.num_layers)
        self.start = torch.tensor([config.chat_start], device=base.device)  # [1, c]
        self.shared = hypernetwork.shared_updates()
        self.bare = [self.shared] * len(chats)
        """Updates of all chats with the default system message."""
        self.described = [hypernetwork(reader.read(each.descriptions)) for each in chats]
        """The same with the description in place of the system message."""

    def solve(self) -> KeyValueWriter | None:
        """Solve for one part after another, each with the previous ones in place."""
        above = self._measure_above()
        directions = _least_used_directions([block.directions for block in above], self.num_slots)
        marks = directions * MARK_SIZE * above[0].norm
        slot_A = self._solve_marks()
        gate_A = self._solve_gate(slot_A, marks)
        amplified = directions * AMPLIFICATION * max(block.norm for block in above)
        gate = SlotGate(slot_A, marks, gate_A, self._quiet_neurons(), amplified)
        slots = self._slot_inputs(stack_updates(self.shared, gate.updates(self.marked_layer)))
        A = torch.stack([fit_to_moments(slots[i], block.inputs) for i, block in zip(self.above, above, strict=True)])
        writer = KeyValueWriter(gate, A, key_values_of(self.base, slots, self.above, self.shared))
        # Comparisons with NaN are false.
        return writer if self._error(writer) < MAX_ERROR and self._confused(writer) < MAX_CONFUSED else None

    def _run(
        self, updates: Sequence[LoraBatch], layers: Sequence[int], module: str
    ) -> Iterator[tuple[SampleChats, Activations]]:
        """Run the chats, each with its updates, and yield the inputs of blocks and of one of their linear layers."""
        for chats, lora in zip(self.chats, updates, strict=True):
            yield (
                chats,
                self.base.activations(
                    chats.input_ids,
                    chats.attention_mask,
                    layers=layers,
                    module=module,
                    position_ids=chats.position_ids,
                    lora=lora,
                ),
            )

    def _others(self, chats: SampleChats, found: Tensor) -> Tensor:
        """Tokens after those that every chat begins with `[n, d]`, in float32."""
        return found[chats.position_ids >= self.start.shape[1]].float()

    def _fixed(self, found: Tensor) -> Tensor:
        """Tokens that every chat begins with, without the slots `[c - s, d]`, in float32."""
        found = found[0, : self.start.shape[1]].float()
        return torch.cat([found[: self.slots.start], found[self.slots.stop :]])

    def _measure_above(self) -> list[_Block]:
        """Measure tokens that are not slots, with descriptions in place, in every block above the gate."""
        blocks = [_Block(self.base.hidden_size, self.base.device) for _ in self.above]
        for chats, seen in self._run(self.described, self.above, KEY_MODULE):
            for i, block in zip(self.above, blocks, strict=True):
                states, inputs = (found[i] for found in (seen.states, seen.inputs))
                block.add(self._others(chats, states), self._others(chats, inputs))
                block.fixed = self._fixed(states), self._fixed(inputs)  # the same in all chats
        return blocks

    def _quiet_neurons(self) -> Tensor:
        """The neurons of the gate that add the least to the hidden states `[s]`."""
        at = self.gate_layer
        inputs = [self._others(chats, seen.inputs[at]) for chats, seen in self._run(self.described, [at], DOWN_MODULE)]
        effect = self.base.linear(at, DOWN_MODULE).weight.float().square().sum(0)  # [f]
        return (torch.cat(inputs).square().mean(0) * effect).argsort()[: self.num_slots]

    def _solve_marks(self) -> Tensor:
        """Rows that respond to the slots in the marked block `[s, f]`."""
        at = self.marked_layer
        seen = [(chats, seen.inputs[at]) for chats, seen in self._run(self.bare, [at], DOWN_MODULE)]
        slots, fixed = seen[0][1][0, self.slots].float(), self._fixed(seen[0][1])
        return fit_slots(slots, fixed, torch.cat([self._others(chats, found) for chats, found in seen]))

    def _solve_gate(self, slot_A: Tensor, marks: Tensor) -> Tensor:
        """Ridge regression that predicts from an input of the gate which slot a token is, if any `[s + 1, d]`."""
        marked = stack_updates(self.shared, {(self.marked_layer, DOWN_MODULE): LoraTensors(slot_A, marks.unsqueeze(0))})
        at = self.gate_layer
        seen = [(chats, seen.inputs[at]) for chats, seen in self._run([marked] * len(self.chats), [at], GATE_MODULE)]
        slots = seen[0][1][0, self.slots].float()
        others = torch.cat([self._fixed(seen[0][1]), *(self._others(chats, found) for chats, found in seen)])
        wide = widest_float(slots.device)
        x = torch.cat([slots, others]).to(wide)
        y = torch.eye(self.num_slots + 1, dtype=wide, device=x.device)
        y = torch.cat([y, y[-1:].expand(len(others) - 1, -1)])
        weight = torch.cat([x.new_full((len(part), 1), 1 / len(part)) for part in (slots, others)])
        gram = (x * weight).T @ x
        gram.diagonal().add_(RIDGE * gram.diagonal().mean())
        return torch.linalg.solve(gram, (x * weight).T @ y).T.float().contiguous()

    def _slot_inputs(self, updates: LoraBatch) -> dict[int, Tensor]:
        """Inputs of attention at the slots `[s, d]`, by block above the gate."""
        seen = self.base.activations(self.start, None, layers=self.above, module=KEY_MODULE, lora=updates).inputs
        return {i: found[0, self.slots].float() for i, found in seen.items()}

    def _error(self, writer: KeyValueWriter) -> float:
        """Relative error of the keys and values at the slots of a description, in the worst block."""
        description = max(self.chats[0].descriptions, key=len)
        tokenized = self.reader.tokenize(description)
        soft = self.hypernetwork.soft_states(self.reader.read_tokenized([tokenized]))[0]
        wanted = self.reader.read_whole(tokenized, soft, self.shared, self.above)
        updates = stack_updates(self.shared, writer.updates(self.marked_layer, wanted))
        actual = key_values_of(self.base, self._slot_inputs(updates), self.above, updates)
        errors = [
            (found - target).norm(dim=(-2, -1)) / target.norm(dim=(-2, -1))  # [b]
            for found, target in ((actual.keys, wanted.keys), (actual.values, wanted.values))
        ]
        return torch.stack(errors).max().item()

    def _confused(self, writer: KeyValueWriter) -> float:
        """Share of tokens after the chat's beginning that `A` mistakes for slots in the last block."""
        updates = stack_updates(self.shared, writer.gate.updates(self.marked_layer))
        last = self.above[-1]
        responses = [
            (self._others(chats, seen.inputs[last]) @ writer.A[-1].T).abs().amax(-1)
            for chats, seen in self._run([updates] * len(self.chats), [last], KEY_MODULE)
        ]
        return (torch.cat(responses) > 0.5).float().mean().item()


def _least_used_directions(moments: list[Tensor], count: int) -> Tensor:
    """Orthonormal directions in which the hidden states of all blocks are smallest `[count, d]`.

    Args:
        moments: second moments of the hidden states of each block, normalized to norm one `[d, d]`.
        count: number of directions.
    """
    total = torch.stack(moments).sum(0)
    return torch.linalg.eigh(total.to(widest_float(total.device))).eigenvectors[:, :count].T.float().contiguous()
