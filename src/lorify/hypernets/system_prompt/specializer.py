"""Turn a task description into an adapter with the hypernetwork that writes descriptions over the system message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lorify.adapters import LoraPair
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraTensors, stack_updates
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import load_description_encoder
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.specializer import EncoderSpecializer
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.description_reader import DescriptionReader
from lorify.hypernets.system_prompt.key_values import KeyValueWriter, load_writer
from lorify.hypernets.system_prompt.network import WRITTEN_MODULE, SystemMessageHypernetwork


@dataclass(frozen=True)
class SystemMessageSpecializer(EncoderSpecializer):
    """A system message hypernetwork with the base and the description encoder it was made for."""

    overwrites_system_message: ClassVar[bool] = True
    config: SystemMessageConfig
    hypernetwork: SystemMessageHypernetwork
    writer: KeyValueWriter | None = None
    """Overwrites keys and values at the slots for long descriptions; None if the hypernetwork has no such part."""

    @property
    def rank(self) -> int:
        """Largest rank of its adapters."""
        above = 0 if self.writer is None else self.config.rank + len(self.writer.gate.gate_A)
        return max(self.config.rank, self.config.num_slots, above)

    @cached_property
    def _reader(self) -> DescriptionReader:
        return DescriptionReader(self.base, self.encoder, self.config)

    @cached_property
    def _shared(self) -> dict[Key, LoraPair]:
        """The pairs shared by all tasks, stored once for all adapters."""
        return {key: self._pair(tensors) for key, tensors in self.hypernetwork.shared_updates().items()}

    def _generate(self, description: str) -> dict[Key, LoraPair]:
        tokenized = self._reader.tokenize(description)
        read = self._reader.read_tokenized([tokenized])
        if self.writer is None or not tokenized.is_long:
            key = self.config.written_layer, WRITTEN_MODULE
            return {key: self._pair(self.hypernetwork.write(read)), **self._shared}
        soft = self.hypernetwork.soft_states(read)[0]
        shared, layers = self.hypernetwork.shared_updates(), self.config.overwritten_layers(self.base.num_layers)
        wanted = self._reader.read_whole(tokenized, soft, shared, layers)
        written = self.writer.updates(self.config.marked_layer, wanted)
        stacked = stack_updates({key: shared[key] for key in written if key in shared}, written)
        return {**self._shared, **{key: self._pair(tensors) for key, tensors in stacked.items()}}

    def _pair(self, tensors: LoraTensors) -> LoraPair:
        # An adapter has one lora_alpha, but its pairs differ in rank: undo its scaling for this pair.
        scale = len(tensors.A) / (self.config.scaling * self.config.rank)
        return LoraPair(tensors.A.detach(), (tensors.B[0].T * scale).contiguous())


def load_system_message_specializer(
    base: BaseLM, loaded: LoadedHypernetwork[SystemMessageConfig, SystemMessageHypernetwork]
) -> SystemMessageSpecializer:
    """Join a loaded hypernetwork with its base and load its description encoder.

    Raises:
        HypernetworkError: if it was made for another base or encoder, or a file next to its weights is damaged.
        ContextError: if its description encoder cannot be found, fetched or read.
    """
    return SystemMessageSpecializer(
        base=base,
        config=loaded.config,
        hypernetwork=loaded.network,
        encoder=load_description_encoder(loaded.config.embedder_name, base=base, device=base.device),
        name=loaded.name,
        digest=loaded.digest,
        writer=load_writer(loaded.folder, loaded.digest, loaded.config, base),
    )
