"""Overwrite the keys and values of slots, so that a description with more tokens than slots is read whole.

Later tokens read an earlier one only through its keys and values. The keys and values of a description's tokens contain
what these tokens read from those before them. So the base reads the whole description, and the keys and values of one
of its tokens per slot are written over those of the slots:

    marked block   a row for each slot, which responds to it alone as far as a linear map can, adds a mark to its hidden
                   state: a direction that other tokens hardly use
    gate           the block above: one neuron for each slot, which is on if the state has more than a threshold of its
                   mark. It makes the mark many times as large as all hidden states; at other tokens it adds nothing
    blocks above   after the norm the input of a slot is its mark and nothing else, whatever the description says. So A
                   responds to each slot alone, its own keys and values are known, and B is what is wanted minus these

All of this is solved in closed form (`lorify.hypernets.system_prompt.solve_key_values`); nothing is trained.

Shape letters: s slots, d hidden size, f neurons of a block, b blocks above the gate, h size of keys or
values of a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lorify.atomic import save_tensors
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.base.weight_shapes import find_mismatch
from lorify.errors import HypernetworkError, first_line
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.plain_files import open_plain_file

FILE_NAME = "key_values.safetensors"
"""File next to the weights of the hypernetwork that it was solved for; new weights delete it."""
KEY_MODULE, VALUE_MODULE = "k_proj", "v_proj"
GATE_MODULE, UP_MODULE, DOWN_MODULE = "gate_proj", "up_proj", "down_proj"
GATE_GAIN = 100.0
"""Input of a slot's neuron on its own mark, before the threshold."""
UP_GAIN = 5.0
THRESHOLD = 0.7
"""Share of a mark above which the neuron is on; words of the system message in other texts reach up to half."""
_MADE_FOR = "hypernetwork"


@dataclass(frozen=True)
class KeyValues:
    """Keys and values of s tokens in b blocks, before positions are applied, each `[b, s, h]` in float32."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class SlotGate:
    """The weights that distinguish slots from all other tokens, in float32.

    Attributes:
        slot_A: `[s, f]`; row i responds to slot i in the marked block.
        marks: `[s, d]`, what each of these rows adds to the hidden state.
        gate_A: `[s + 1, d]`; row i responds to the mark of slot i, the last row with 1 to all tokens except the slots.
        neurons: `[s]`, index of each slot's neuron.
        amplified: `[s, d]`, what each neuron adds to the hidden state.
    """

    slot_A: Tensor
    marks: Tensor
    gate_A: Tensor
    neurons: Tensor
    amplified: Tensor

    def updates(self, marked_layer: int) -> LoraBatch:
        """Build the updates of the marked block and of the gate above it, both gated MLPs."""
        layer, num_neurons = marked_layer + 1, self.slot_A.shape[1]
        count = len(self.marks)
        slots = torch.arange(count, device=self.marks.device)
        gate_B, up_B = self.gate_A.new_zeros(count + 1, num_neurons), self.gate_A.new_zeros(count, num_neurons)
        gate_B[slots, self.neurons] = GATE_GAIN
        gate_B[count, self.neurons] = -THRESHOLD * GATE_GAIN
        up_B[slots, self.neurons] = UP_GAIN
        down_A = self.gate_A.new_zeros(count, num_neurons)
        down_A[slots, self.neurons] = 1 / (GATE_GAIN * UP_GAIN)
        return {
            (marked_layer, DOWN_MODULE): LoraTensors(self.slot_A, self.marks.unsqueeze(0)),
            (layer, GATE_MODULE): LoraTensors(self.gate_A, gate_B.unsqueeze(0)),
            (layer, UP_MODULE): LoraTensors(self.gate_A[:count], up_B.unsqueeze(0)),
            (layer, DOWN_MODULE): LoraTensors(down_A, self.amplified.unsqueeze(0)),
        }


@dataclass(frozen=True)
class KeyValueWriter:
    """Overwrites keys and values at slots; all tensors are in float32.

    Attributes:
        gate: distinguishes the slots.
        A: `[b, s, d]`; row i of a block responds to slot i alone.
        unchanged: keys and values of the slots without an update.
    """

    gate: SlotGate
    A: Tensor
    unchanged: KeyValues

    def updates(self, marked_layer: int, wanted: KeyValues) -> LoraBatch:
        """Build all updates that give the slots new keys and values.

        Args:
            marked_layer: the marked block; the gate and the b blocks follow above it.
            wanted: the keys and values.
        """
        changes = {KEY_MODULE: wanted.keys - self.unchanged.keys, VALUE_MODULE: wanted.values - self.unchanged.values}
        overwritten = {
            (marked_layer + 2 + i, module): LoraTensors(A, change[i].unsqueeze(0))
            for module, change in changes.items()
            for i, A in enumerate(self.A.unbind(0))
        }
        return {**self.gate.updates(marked_layer), **overwritten}


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
    """Save a writer of keys and values in the folder of a hypernetwork.

    Args:
        writer: the writer.
        folder: the folder.
        digest: SHA-256 of the hypernetwork's weights file.
    """
    parts = {**vars(writer.gate), "A": writer.A, **vars(writer.unchanged)}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in parts.items()}
    save_tensors(tensors, folder / FILE_NAME, metadata={_MADE_FOR: digest})


def load_writer(folder: Path, digest: str, config: SystemMessageConfig, base: BaseLM) -> KeyValueWriter | None:
    """Load the writer of keys and values of a hypernetwork; None if it has none.

    Args:
        folder: folder of the hypernetwork.
        digest: SHA-256 of its weights file.
        config: its config.
        base: the base that it was made for.

    Raises:
        HypernetworkError: if the file is damaged or was solved for other weights.
    """
    path = folder / FILE_NAME
    try:
        open_plain_file(path).close()
        with safe_open(path, framework="pt") as opened:
            made_for = (opened.metadata() or {}).get(_MADE_FOR)
            parts = {name: opened.get_tensor(name) for name in opened.keys()}
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError) as error:
        raise HypernetworkError(f"{path} is damaged ({first_line(error)}); fetch it again, or delete it") from error
    if made_for != digest:
        raise HypernetworkError(f"{path} was made for other weights than those beside it; delete it, or train again")
    if (mismatch := find_mismatch(_empty_parts(config, base), parts)) is not None:
        raise HypernetworkError(f"{path} is damaged ({mismatch}); fetch it again, or delete it")
    lowest, highest = (int(neuron) for neuron in parts["neurons"].aminmax())
    if lowest < 0 or highest >= config.written_size:
        raise HypernetworkError(
            f"{path} is damaged (it has neurons {lowest} to {highest}, expected 0 to {config.written_size - 1}); "
            "fetch it again, or delete it"
        )
    parts = {name: tensor.to(base.device) for name, tensor in parts.items()}
    gate = SlotGate(parts["slot_A"], parts["marks"], parts["gate_A"], parts["neurons"].long(), parts["amplified"])
    return KeyValueWriter(gate, parts["A"], KeyValues(parts["keys"], parts["values"]))


def _empty_parts(config: SystemMessageConfig, base: BaseLM) -> dict[str, Tensor]:
    """Tensors without data, with the shapes in the file."""
    keys, values = (base.linear(base.num_layers - 1, module).out_features for module in (KEY_MODULE, VALUE_MODULE))
    shapes = writer_shapes(
        config.num_slots,
        num_neurons=config.written_size,
        hidden_size=config.hidden_size,
        num_blocks=len(config.overwritten_layers(base.num_layers)),
        keys_size=keys,
        values_size=values,
    )
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def writer_shapes(
    num_slots: int, *, num_neurons: int, hidden_size: int, num_blocks: int, keys_size: int, values_size: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a writer's tensors, by their names in its file.

    Args:
        num_slots: s.
        num_neurons: f.
        hidden_size: d.
        num_blocks: b.
        keys_size: h of keys.
        values_size: h of values.
    """
    return {
        "slot_A": (num_slots, num_neurons),
        "marks": (num_slots, hidden_size),
        "gate_A": (num_slots + 1, hidden_size),
        "neurons": (num_slots,),
        "amplified": (num_slots, hidden_size),
        "A": (num_blocks, num_slots, hidden_size),
        "keys": (num_blocks, num_slots, keys_size),
        "values": (num_blocks, num_slots, values_size),
    }
