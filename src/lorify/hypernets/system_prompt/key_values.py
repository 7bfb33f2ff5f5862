"""Overwrites the keys and values of slots, so that a description with more tokens than there are slots is read whole.

Later tokens read an earlier one through its keys and values alone. Those of a description's tokens hold what they read
of the tokens before them. So the base reads the whole description, and the keys and values of as many of its tokens as
there are slots are written over those of the slots:

    marked block   a row for each slot, which responds to it alone as far as a linear map can, adds a mark to its hidden
                   state: a direction that other tokens hardly use
    gate           the block above: one neuron for each slot, which is on if the state has more than a threshold of its
                   mark. It makes the mark many times as large as all hidden states; at other tokens it adds nothing
    blocks above   after the norm the input of a slot is its mark and nothing else, whatever the description says. So A
                   responds to each slot alone, its own keys and values are known, and B is what is wanted minus these

All of it is solved in closed form (`lorify.hypernets.system_prompt.solve_key_values`); nothing is trained.

Shape letters: s slots with a mark, d hidden size, f neurons of a block, b blocks above the gate, h size of keys or
values of a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lorify.atomic import save_tensors
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError

FILE_NAME = "key_values.safetensors"
"""File beside the weights of the hypernetwork that it was solved for; new weights delete it."""
KEY_MODULE, VALUE_MODULE = "k_proj", "v_proj"
GATE_MODULE, UP_MODULE, DOWN_MODULE = "gate_proj", "up_proj", "down_proj"
GATE_GAIN = 100.0
"""Input of a slot's neuron on its own mark, before the threshold."""
UP_GAIN = 5.0
THRESHOLD = 0.7
"""Share of a mark above which the neuron is on; words of the system message in other texts have up to half of one."""
_MADE_FOR = "hypernetwork"
_PARTS = ("found", "marks", "rows", "neurons", "amplified", "A", "keys", "values")


@dataclass(frozen=True)
class KeyValues:
    """Keys and values of s tokens in b blocks, before positions are applied, each `[b, s, h]` in float32."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class SlotGate:
    """What sets slots apart from all other tokens, in float32.

    Attributes:
        found: `[s, f]`; row i responds to slot i in the marked block.
        marks: `[s, d]`, what each of them adds to the hidden state.
        rows: `[s + 1, d]`; row i responds to the mark of slot i, the last one with 1 to all tokens but the slots.
        neurons: `[s]`, index of each slot's neuron.
        amplified: `[s, d]`, what each neuron adds to the hidden state.
    """

    found: Tensor
    marks: Tensor
    rows: Tensor
    neurons: Tensor
    amplified: Tensor

    def updates(self, marked_layer: int) -> LoraBatch:
        """Build the updates of the marked block and of the gate above it, both gated MLPs."""
        layer, num_neurons = marked_layer + 1, self.found.shape[1]
        count = len(self.marks)
        slots = torch.arange(count, device=self.marks.device)
        gate_B, up_B = self.rows.new_zeros(count + 1, num_neurons), self.rows.new_zeros(count, num_neurons)
        gate_B[slots, self.neurons] = GATE_GAIN
        gate_B[count, self.neurons] = -THRESHOLD * GATE_GAIN
        up_B[slots, self.neurons] = UP_GAIN
        down_A = self.rows.new_zeros(count, num_neurons)
        down_A[slots, self.neurons] = 1 / (GATE_GAIN * UP_GAIN)
        return {
            (marked_layer, DOWN_MODULE): LoraTensors(self.found, self.marks.unsqueeze(0)),
            (layer, GATE_MODULE): LoraTensors(self.rows, gate_B.unsqueeze(0)),
            (layer, UP_MODULE): LoraTensors(self.rows[:count], up_B.unsqueeze(0)),
            (layer, DOWN_MODULE): LoraTensors(down_A, self.amplified.unsqueeze(0)),
        }


@dataclass(frozen=True)
class KeyValueWriter:
    """What overwrites keys and values at slots, in float32.

    Attributes:
        gate: sets the slots apart.
        A: `[b, s, d]`; row i of a block responds to slot i alone.
        own: keys and values of the slots without an update.
    """

    gate: SlotGate
    A: Tensor
    own: KeyValues

    def overwrite(self, first_layer: int, wanted: KeyValues) -> LoraBatch:
        """Build the updates that give the slots other keys and values.

        Args:
            first_layer: the first of the b blocks.
            wanted: the keys and values.
        """
        changes = {KEY_MODULE: wanted.keys - self.own.keys, VALUE_MODULE: wanted.values - self.own.values}
        return {
            (first_layer + i, module): LoraTensors(A, change[i].unsqueeze(0))
            for module, change in changes.items()
            for i, A in enumerate(self.A.unbind(0))
        }


def stack_updates(*batches: Mapping[tuple[int, str], LoraTensors]) -> dict[tuple[int, str], LoraTensors]:
    """Add updates of one row each; where two adapt the same layer, their ranks are stacked."""
    stacked: dict[tuple[int, str], LoraTensors] = {}
    for batch in batches:
        for key, tensors in batch.items():
            below = stacked.get(key)
            stacked[key] = (
                tensors
                if below is None
                else LoraTensors(torch.cat([below.A, tensors.A]), torch.cat([below.B, tensors.B], dim=1))
            )
    return stacked


@torch.no_grad()
def key_values_of(base: BaseLM, inputs: Mapping[int, Tensor], layers: Sequence[int], lora: LoraBatch) -> KeyValues:
    """Compute keys and values.

    Args:
        base: the base.
        inputs: block index -> inputs of its attention `[s, d]`, after the norm.
        layers: indices of the blocks.
        lora: the updates that are on.
    """
    with base.hooks.applied(lora):
        keys, values = (
            torch.stack([base.linear(i, module)(inputs[i].to(base.dtype).unsqueeze(0))[0].float() for i in layers])
            for module in (KEY_MODULE, VALUE_MODULE)
        )
    return KeyValues(keys, values)


def save_writer(writer: KeyValueWriter, folder: Path, digest: str) -> None:
    """Write what overwrites keys and values into the folder of a hypernetwork.

    Args:
        writer: what is written.
        folder: the folder.
        digest: SHA-256 of the hypernetwork's weights file.
    """
    parts = {**vars(writer.gate), "A": writer.A, **vars(writer.own)}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in parts.items()}
    save_tensors(tensors, folder / FILE_NAME, metadata={_MADE_FOR: digest})


def load_writer(folder: Path, digest: str, *, device: torch.device) -> KeyValueWriter | None:
    """Read what overwrites keys and values from the folder of a hypernetwork; None if it has none.

    Args:
        folder: the folder.
        digest: SHA-256 of the hypernetwork's weights file.
        device: where it is used.

    Raises:
        HypernetworkError: if the file is damaged or was solved for other weights.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            made_for = (opened.metadata() or {}).get(_MADE_FOR)
            parts = {name: opened.get_tensor(name).to(device) for name in _PARTS}
    except (OSError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise HypernetworkError(f"{path} is damaged ({reason}); fetch it again, or delete it") from error
    if made_for != digest:
        raise HypernetworkError(f"{path} was made for other weights than those beside it; delete it, or train again")
    gate = SlotGate(*(parts[field.name] for field in fields(SlotGate)))
    return KeyValueWriter(gate, parts["A"], KeyValues(parts["keys"], parts["values"]))
