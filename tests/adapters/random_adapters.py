"""Random adapters for tiny bases."""

import torch

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.base.model import BaseLM

KEYS = ((0, "down_proj"), (1, "down_proj"), (1, "q_proj"))


def random_adapter(
    base: BaseLM,
    seed: int = 0,
    *,
    rank: int = 4,
    keys: tuple[tuple[int, str], ...] = KEYS,
    shared_seed: int | None = None,
    lora_alpha: float = 8.0,
    num_documents: int = 1,
    dtype: torch.dtype = torch.float32,
) -> Adapter:
    """A random adapter, of a larger rank at `q_proj`; adapters of one `shared_seed` have the same `A`."""
    own = torch.Generator().manual_seed(seed)
    shared = own if shared_seed is None else torch.Generator().manual_seed(shared_seed)
    weights = {}
    for layer, module in keys:
        linear = base.linear(layer, module)
        r = rank + 2 if module == "q_proj" else rank
        A = torch.randn(r, linear.in_features, generator=shared) / linear.in_features**0.5
        B = torch.randn(linear.out_features, r, generator=own) / r
        weights[layer, module] = LoraPair(A.to(dtype), B.to(dtype))
    documents = tuple(
        DocumentRecord(name=f"document-{seed}-{i}.txt", digest=f"{seed:064x}", num_tokens=10 + i)
        for i in range(num_documents)
    )
    statistics = tuple(
        DocumentStatistics({"S": torch.randn(2, 3, 3, generator=own), "M": torch.randn(2, 3, 5, generator=own)})
        for _ in documents
    )
    provenance = Provenance(
        base_name=base.name,
        base_digest=base.digest,
        hypernetwork="associative",
        hypernetwork_digest="1" * 64,
        documents=documents,
        lorify_version="0.1.0",
    )
    return Adapter(weights, lora_alpha, provenance, statistics)


def assert_same(a: Adapter, b: Adapter) -> None:
    """Equal to the last bit, statistics aside."""
    assert a.provenance == b.provenance
    assert a.lora_alpha == b.lora_alpha
    assert a.weights.keys() == b.weights.keys()
    for key, pair in a.weights.items():
        for x, y in ((pair.A, b.weights[key].A), (pair.B, b.weights[key].B)):
            assert x.dtype == y.dtype
            assert torch.equal(x, y)


@torch.no_grad()
def logits_with(base: BaseLM, batch, num_rows: int = 1, seed: int = 7) -> torch.Tensor:
    """Logits of `num_rows` random prompts, the same for each `seed`, under a LoraBatch."""
    input_ids = torch.randint(3, 272, (num_rows, 9), generator=torch.Generator().manual_seed(seed))
    with base.hooks.applied(batch):
        return base.model(input_ids=input_ids).logits


def row_logits(base: BaseLM, batch, row: int, num_rows: int, seed: int = 7) -> torch.Tensor:
    """Logits of one of those prompts, run alone."""
    input_ids = torch.randint(3, 272, (num_rows, 9), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad(), base.hooks.applied(batch):
        return base.model(input_ids=input_ids[row : row + 1]).logits[0]
