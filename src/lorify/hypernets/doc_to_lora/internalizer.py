"""Turn documents into an adapter with the Perceiver of Doc-to-LoRA.

A document is split into chunks, and each chunk becomes LoRA weights of a few ranks. An adapter concatenates the ranks
of all chunks of all documents, with the learned bias adapter at the end. A document is therefore a range of rows of the
adapter: removing it removes these rows, and replacing it replaces them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.encoders.encoding import Chunk, ContextEncoder, context_ids, split_evenly
from lorify.contexts.encoders.features import batched
from lorify.contexts.images import Context, ImageContext, image_not_supported
from lorify.errors import ContextError
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_pairs, merge_chunks
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.generation import check_encoder, count_chunks, generate_weights
from lorify.hypernets.doc_to_lora.network import GeneratedLora, PerceiverHypernetwork
from lorify.hypernets.internalizer import RebuildableInternalizer, check_made_for, not_rebuildable, written_by
from lorify.hypernets.options import InternalizerOptions, recorded_bias_scale

TOKENS_AT_ONCE = 4096
NUM_CHUNKS = "num_chunks"

DocumentPart = dict[str, GeneratedLora]
"""LoRA weights of one document: module name -> weights, with one row of the batch for each chunk."""


@dataclass(frozen=True)
class PerceiverInternalizer(RebuildableInternalizer[DocumentPart]):
    """A Perceiver hypernetwork with the base it was made for.

    Attributes:
        base: the base model.
        config: config of the hypernetwork.
        hypernetwork: its weights, in float32, on the base's device.
        name: its name in the provenance of adapters.
        digest: SHA-256 of its weights file.
        encoder: the context encoder.
        iterative: generate block by block, with less memory; the default except on CUDA, where it is slower.
        bias_scale: factor of the learned bias adapter's `A` and `B`.
    """

    base: BaseLM
    config: PerceiverConfig
    hypernetwork: PerceiverHypernetwork
    name: str
    digest: str
    encoder: ContextEncoder
    iterative: bool | None = None
    bias_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a base or an encoder that the hypernetwork was not made for."""
        config = self.config
        check_made_for(self.base, base_name=config.base_name, base_digest=config.base_digest, name=self.name)
        check_encoder(self.encoder, config, self.name)

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn, as in training."""
        return self.config.system_turn

    @property
    def option_names(self) -> frozenset[str]:
        """All options, except the bias scale if there is no bias adapter."""
        names = frozenset(InternalizerOptions.model_fields)
        return names if self.config.bias_adapter else names - {"bias_scale"}

    def with_options(self, options: InternalizerOptions) -> PerceiverInternalizer:
        """Return the hypernetwork with other options; chunks are limited to the context encoder's window."""
        options.check(self.option_names, self.name)
        config = self.config
        if options.chunk_tokens is not None:
            longest = min(options.chunk_tokens, self.encoder.window_tokens)
            config = config.model_copy(update={"chunk_tokens": longest})
        return replace(
            self,
            config=config,
            iterative=self.iterative if options.iterative is None else options.iterative,
            bias_scale=self.bias_scale if options.bias_scale is None else options.bias_scale,
        )

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """Combine adapters into one, as if their documents had been internalized together.

        An adapter's scale applies to the chunks of its documents. The bias adapter is included once, with the mean of
        the adapters' bias scales.
        """
        records: list[DocumentRecord] = []
        parts: list[DocumentPart] = []
        scales: list[float] = []
        for adapter, scale in adapters:
            more_records, more = self.documents_of(adapter)
            records += more_records
            parts += more
            scales += [scale] * len(more)
        bias_scale = statistics.fmean(bias_scale_of(adapter) for adapter, _ in adapters)
        return replace(self, bias_scale=bias_scale).write_adapter(records, parts, scales)

    def writer_of(self, adapter: Adapter) -> PerceiverInternalizer:
        """Return the hypernetwork with the bias scale that an adapter was written with."""
        return replace(self, bias_scale=bias_scale_of(adapter))

    def generate(self, chunks: Sequence[Chunk]) -> DocumentPart:
        """Generate LoRA weights of chunks (texts or images); chunks do not affect each other."""
        iterative = self.base.device.type != "cuda" if self.iterative is None else self.iterative
        return generate_weights(self.hypernetwork, self.config, self.encoder, chunks, iterative=iterative)

    def split(self, context: Context) -> list[Chunk]:
        """Split a context into chunks: a text with affixes around each chunk, an image as one chunk.

        Raises:
            ContextError: if the context has no text, or is an image that the encoder cannot read.
        """
        if isinstance(context, ImageContext):
            if not self.encoder.reads_images:
                raise image_not_supported(context, f"hypernetwork {self.name}")
            return [self.encoder.image_chunk(context, system_turn=self.config.system_turn)]
        prefix, suffix = self.config.encoder.prefix_ids, self.config.encoder.suffix_ids
        ids = context_ids(
            self.encoder, context.text.strip(), prefix=prefix, suffix=suffix, system_turn=self.config.system_turn
        )
        if not ids:
            raise ContextError(f"document {context.name} has no text; give one with at least one sentence")
        num_affix_tokens = len(prefix) + len(suffix)
        num_chunks = count_chunks(
            num_affix_tokens + len(ids),
            chunk_tokens=self.config.chunk_tokens,
            num_affix_tokens=num_affix_tokens,
            window_tokens=self.encoder.window_tokens,
        )
        return [*split_evenly(ids, num_chunks=num_chunks, prefix=prefix, suffix=suffix)]

    def encode_document(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, DocumentPart]:
        """Generate the weights of one document or image, a few chunks at a time."""
        chunks = self.split(context)
        affixes = (
            0
            if isinstance(context, ImageContext)
            else len(self.config.encoder.prefix_ids + self.config.encoder.suffix_ids)
        )
        num_tokens = sum(len(chunk) - affixes for chunk in chunks)
        generated = []
        for group in batched(chunks, max(1, TOKENS_AT_ONCE // self.config.chunk_tokens)):
            if cancel is not None:
                cancel.raise_if_cancelled()
            generated.append(self.generate(group))
            if report is not None:
                report(num_tokens * len(group) // len(chunks))
        part = {name: _concatenated([weights[name] for weights in generated]) for name in generated[0]}
        return DocumentRecord(name=context.name, digest=context.digest, num_tokens=num_tokens), part

    def documents_of(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[DocumentPart]]:
        """Split an adapter into its documents and their weights."""
        if adapter.statistics is None or not self.can_rebuild(adapter):
            raise not_rebuildable(adapter, self.name)
        counts = [int(stored.tensors[NUM_CHUNKS]) for stored in adapter.statistics]
        parts: list[DocumentPart] = [{} for _ in counts]
        for module in self.config.modules:
            pairs = [adapter.weights[layer, module.name] for layer in self.config.layers]
            A = self._chunks(torch.stack([pair.A for pair in pairs]), counts)
            B = self._chunks(torch.stack([pair.B.T for pair in pairs]), counts)
            for part, *weights in zip(parts, A, B, strict=True):
                part[module.name] = GeneratedLora(*weights)
        return list(adapter.provenance.documents), parts

    def _chunks(self, stacked: Tensor, counts: Sequence[int]) -> Iterator[Tensor]:
        """Rows `[L, R, d]` of an adapter -> rows `[chunks, L, r, d]` of each document, without the bias adapter."""
        start, r = 0, self.config.rank
        for count in counts:
            rows = stacked[:, start : start + count * r].to(self.base.device)
            yield rows.unflatten(1, (count, r)).transpose(0, 1)
            start += count * r

    @torch.no_grad()
    def write_adapter(
        self, records: Sequence[DocumentRecord], parts: Sequence[DocumentPart], scales: Sequence[float] | None = None
    ) -> Adapter:
        """Write the adapter of some documents from their weights, each multiplied by its scale (1 by default)."""
        counts = [len(next(iter(part.values())).A) for part in parts]
        concatenated = {name: _concatenated([part[name] for part in parts]) for name in parts[0]}
        chunk_scales = None if scales is None else torch.tensor(scales).repeat_interleave(torch.tensor(counts))
        merged = merge_chunks(
            concatenated, [sum(counts)], self.hypernetwork.bias(), chunk_scales=chunk_scales, bias_scale=self.bias_scale
        )
        pairs = as_lora_pairs(merged, first_layer=self.config.first_layer)
        rank = next(iter(pairs.values())).rank
        recorded = {"bias_scale": recorded_bias_scale(self.bias_scale)}
        return Adapter(
            weights=pairs,
            lora_alpha=self.config.scaling * rank,
            provenance=written_by(self, records).model_copy(update=recorded),
            statistics=tuple(DocumentStatistics({NUM_CHUNKS: torch.tensor(count)}) for count in counts),
        )


def bias_scale_of(adapter: Adapter) -> float:
    """Return the scale of the bias adapter in an adapter."""
    scale = adapter.provenance.bias_scale
    return 1.0 if scale is None else scale


def _concatenated(weights: Sequence[GeneratedLora]) -> GeneratedLora:
    return GeneratedLora(torch.cat([w.A for w in weights]), torch.cat([w.B for w in weights]))
