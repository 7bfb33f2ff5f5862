"""Documents -> adapter with the Perceiver of Doc-to-LoRA.

A document is cut into chunks, each becomes LoRA weights of a few ranks, and the ranks of all chunks of all documents
stand one below the other in the adapter, with the learned bias adapter at the end. A document is therefore a run of
rows of the adapter: it is removed by cutting them out, and replaced by putting others there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.encoder_loading import load_encoder
from lorify.contexts.encoders import Chunk, ContextEncoder, split_evenly
from lorify.contexts.features import batched
from lorify.contexts.images import Context, Picture, no_images
from lorify.errors import ContextError, HypernetworkError
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_pairs, merge_chunks
from lorify.hypernets.doc_to_lora.network import ContextEncoderConfig, Generated, PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.internalizer import RebuildableInternalizer, check_made_for, not_rebuildable, written_by

TOKENS_AT_ONCE = 4096
NUM_CHUNKS = "num_chunks"

DocumentPart = dict[str, Generated]
"""LoRA weights of one document by module name, one row of the batch for each chunk."""


@dataclass(frozen=True)
class PerceiverInternalizer(RebuildableInternalizer[DocumentPart]):
    """A Perceiver hypernetwork with the base it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernetwork: its weights, in float32, on the base's device.
        name: what the provenance calls it.
        digest: SHA-256 of its weights file.
        encoder: the context encoder (see `lorify.contexts.encoder_loading`).
        iterative: generate block by block; by default on everything but CUDA, where it would be slower.
    """

    base: BaseLM
    config: PerceiverConfig
    hypernetwork: PerceiverHypernetwork
    name: str
    digest: str
    encoder: ContextEncoder
    iterative: bool | None = None

    def __post_init__(self) -> None:
        """Refuse a base or an encoder that the hypernetwork was not made for."""
        config = self.config
        check_made_for(self.base, base_name=config.base_name, base_digest=config.base_digest, name=self.name)
        check_encoder(self.encoder, config, self.name)

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn, as in its training."""
        return self.config.system_turn

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """One adapter with the ranks of several, as if their documents had been internalized together.

        A scale weighs the chunks of that adapter's documents; the bias adapter is there once, and is not scaled.
        """
        records: list[DocumentRecord] = []
        parts: list[DocumentPart] = []
        scales: list[float] = []
        for adapter, scale in adapters:
            more_records, more = self.documents_of(adapter)
            records += more_records
            parts += more
            scales += [scale] * len(more)
        return self.write_adapter(records, parts, scales)

    def can_rebuild(self, adapter: Adapter) -> bool:
        """Whether this hypernetwork made the adapter, and refinement has not changed it since."""
        made = adapter.statistics is not None and adapter.provenance.hypernetwork_digest == self.digest
        return made and adapter.provenance.refined_seconds is None

    def generate(self, chunks: Sequence[Chunk]) -> DocumentPart:
        """LoRA weights of chunks, texts or images; chunks do not influence each other."""
        iterative = self.base.device.type != "cuda" if self.iterative is None else self.iterative
        return generate_weights(self.hypernetwork, self.config, self.encoder, chunks, iterative=iterative)

    def split(self, context: Context) -> list[Chunk]:
        """Chunks of a context: those of a text have their affixes, an image is one chunk.

        Raises:
            ContextError: if it has no text, or is of a kind that the encoder does not read.
        """
        if isinstance(context, Picture):
            if not self.encoder.reads_images:
                raise no_images(context, f"hypernetwork {self.name}")
            return [self.encoder.image_chunk(context, system_turn=self.config.system_turn)]
        ids = self.encoder.encode_text(context.text.strip())
        if not ids:
            raise ContextError(f"document {context.name} has no text; give one with at least one sentence")
        prefix, suffix = self.config.encoder.prefix_ids, self.config.encoder.suffix_ids
        num_chunks = -(-(len(prefix) + len(ids) + len(suffix)) // self.config.chunk_tokens)
        return [*split_evenly(ids, num_chunks=num_chunks, prefix=prefix, suffix=suffix)]

    def encode_document(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, DocumentPart]:
        """LoRA weights of one document or image, some chunks at a time."""
        chunks = self.split(context)
        affixes = (
            0 if isinstance(context, Picture) else len(self.config.encoder.prefix_ids + self.config.encoder.suffix_ids)
        )
        num_tokens = sum(len(chunk) - affixes for chunk in chunks)
        generated = []
        for group in batched(chunks, max(1, TOKENS_AT_ONCE // self.config.chunk_tokens)):
            if cancel is not None:
                cancel.raise_if_cancelled()
            generated.append(self.generate(group))
            if report is not None:
                report(num_tokens * len(group) // len(chunks))
        part = {
            name: Generated(*(torch.cat([getattr(weights[name], which) for weights in generated]) for which in "AB"))
            for name in generated[0]
        }
        return DocumentRecord(name=context.name, digest=context.digest, num_tokens=num_tokens), part

    def documents_of(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[DocumentPart]]:
        """Documents of an adapter and their weights, cut out of it."""
        if adapter.statistics is None or not self.can_rebuild(adapter):
            raise not_rebuildable(adapter, self.name)
        counts = [int(stored.tensors[NUM_CHUNKS]) for stored in adapter.statistics]
        parts: list[DocumentPart] = [{} for _ in counts]
        for module in self.config.modules:
            pairs = [adapter.weights[layer, module.name] for layer in self.config.layers]
            A = self._chunks(torch.stack([pair.A for pair in pairs]), counts)
            B = self._chunks(torch.stack([pair.B.T for pair in pairs]), counts)
            for part, *weights in zip(parts, A, B, strict=True):
                part[module.name] = Generated(*weights)
        return list(adapter.provenance.documents), parts

    def _chunks(self, stacked: Tensor, counts: Sequence[int]) -> Iterator[Tensor]:
        """Rows `[L, R, d]` of an adapter -> of each document `[chunks, L, r, d]`; the bias adapter is left out."""
        start, r = 0, self.config.rank
        for count in counts:
            rows = stacked[:, start : start + count * r].to(self.base.device)
            yield rows.unflatten(1, (count, r)).transpose(0, 1)
            start += count * r

    @torch.no_grad()
    def write_adapter(
        self, records: Sequence[DocumentRecord], parts: Sequence[DocumentPart], scales: Sequence[float] | None = None
    ) -> Adapter:
        """Write the adapter of documents from their weights; `scales` weigh the documents, by default equally."""
        counts = [len(next(iter(part.values())).A) for part in parts]
        together = {
            name: Generated(*(torch.cat([getattr(part[name], which) for part in parts]) for which in "AB"))
            for name in parts[0]
        }
        weighed = None if scales is None else torch.tensor(scales).repeat_interleave(torch.tensor(counts))
        merged = merge_chunks(together, [sum(counts)], self.hypernetwork.bias(), chunk_scales=weighed)
        pairs = as_lora_pairs(merged, first_layer=self.config.first_layer)
        rank = next(iter(pairs.values())).rank
        return Adapter(
            weights=pairs,
            lora_alpha=self.config.scaling * rank,
            provenance=written_by(self, records),
            statistics=tuple(DocumentStatistics({NUM_CHUNKS: torch.tensor(count)}) for count in counts),
        )


@torch.no_grad()
def generate_weights(
    hypernetwork: PerceiverHypernetwork,
    config: PerceiverConfig,
    encoder: ContextEncoder,
    chunks: Sequence[Chunk],
    *,
    iterative: bool,
) -> DocumentPart:
    """LoRA weights of chunks, texts with their affixes or images; see `PerceiverHypernetwork` for `iterative`."""
    wanted = config.encoder
    encoded = encoder.encode(chunks, kind=wanted.kind, num_layers=wanted.num_layers)
    # As published, the Perceiver works in the precision of the base, and the heads in float32.
    low = encoder.dtype == torch.bfloat16
    states = encoded.states if low else encoded.states.float()
    with torch.autocast(states.device.type, dtype=torch.bfloat16, enabled=low):
        return hypernetwork(states, encoded.mask, iterative=iterative)


def load_context_encoder(base: BaseLM, config: ContextEncoderConfig) -> ContextEncoder:
    """The context encoder that a hypernetwork reads."""
    return load_encoder(base, config.model_name, quantized=config.quantized, patches=config.patches)


def check_encoder(encoder: ContextEncoder, config: PerceiverConfig, name: str) -> None:
    """Make sure that a context encoder gives the features a hypernetwork reads.

    Raises:
        HypernetworkError: if it has another width, too few blocks, or a window shorter than a chunk.
    """
    wanted = config.encoder
    if encoder.feature_size != wanted.feature_size:
        raise HypernetworkError(
            f"hypernetwork {name} reads features of width {wanted.feature_size}, but context encoder {encoder.name} "
            f"has {encoder.feature_size}; give the encoder it was trained with"
        )
    if wanted.num_layers > encoder.num_layers + (wanted.kind == "per_layer_activations"):
        raise HypernetworkError(
            f"hypernetwork {name} reads {wanted.num_layers} blocks, but context encoder {encoder.name} has "
            f"{encoder.num_layers}; give the encoder it was trained with"
        )
    if encoder.tokenizer is None:  # images alone, each of which is one chunk
        return
    longest = config.chunk_tokens + len(wanted.prefix_ids) + len(wanted.suffix_ids)
    if longest > encoder.window_tokens:
        raise HypernetworkError(
            f"hypernetwork {name} reads chunks of {config.chunk_tokens} tokens ({longest} with what stands around "
            f"them), but the window of context encoder {encoder.name} is {encoder.window_tokens}; set chunk_tokens in "
            "its config.json to less"
        )
