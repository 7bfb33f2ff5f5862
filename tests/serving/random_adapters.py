"""Random adapters without a base."""

import torch

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.document_statistics import DocumentStatistics

BASE_DIGEST = "0" * 64
HYPERNETWORK_DIGEST = "1" * 64


def random_adapter(
    seed: int = 0,
    *,
    name: str = "a.txt",
    size: int = 64,
    created: str = "2026-01-01T00:00:00+00:00",
    base_digest: str = BASE_DIGEST,
) -> Adapter:
    """An adapter of one linear layer with `size` features, `32 * size` bytes; equal for equal arguments."""
    generator = torch.Generator().manual_seed(seed)
    pair = LoraPair(torch.randn(4, size, generator=generator), torch.randn(size, 4, generator=generator))
    provenance = Provenance(
        base_name="tiny",
        base_digest=base_digest,
        hypernetwork="associative",
        hypernetwork_digest=HYPERNETWORK_DIGEST,
        documents=(DocumentRecord(name=name, digest=f"{seed:064x}", num_tokens=10),),
        created=created,
        lorify_version="0.1.0",
    )
    statistics = DocumentStatistics({"S": torch.randn(2, 2, generator=generator)})
    return Adapter({(0, "down_proj"): pair}, 4.0, provenance, (statistics,))
