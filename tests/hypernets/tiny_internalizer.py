"""A random hypernetwork with a random base, and documents for them."""

import torch
from tiny import tiny_base

from lorify.contexts.documents import document_from_text
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork

TEXTS = (
    "The mill opens at nine.",
    "Ada keeps bees. They like clover.",
    "A red boat lies in the harbour, and nobody knows whose it is.",
    "Forty-two chairs stand in the hall.",
)
DOCUMENTS = [document_from_text(text, f"doc{i}") for i, text in enumerate(TEXTS)]
LONG = document_from_text(
    "".join(f"Ada{i} keeps bees in Torvik{i}. They like clover, and the sea wind number {i}. " for i in range(40)),
    "long",
)


def tiny_internalizer(
    family: str = "llama", *, digest: str | None = None, reader_width: int = 8
) -> AssociativeInternalizer:
    base = tiny_base(family)
    config = AssociativeConfig(
        base_name=base.name,
        base_digest=digest or base.digest,
        hidden_size=48,
        input_size=96,
        layers=(0, 1),
        rank=8,
        width=16,
        bias_rank=2,
        chunk_tokens=16,
        reader_width=reader_width,
    )
    torch.manual_seed(1)
    hypernetwork = AssociativeHypernetwork(config).eval().to(base.device)
    torch.nn.init.normal_(hypernetwork.bias_B)
    return AssociativeInternalizer(base, config, hypernetwork, name="tiny", digest="d1")


INTERNALIZER = tiny_internalizer()


def assert_same_weights(a, b) -> None:
    assert a.weights.keys() == b.weights.keys()
    for key in a.weights:
        torch.testing.assert_close(a.weights[key].A, b.weights[key].A, atol=1e-5, rtol=0)
        torch.testing.assert_close(a.weights[key].B, b.weights[key].B, atol=1e-5, rtol=0)


def largest_difference(a, b) -> float:
    return max((a.weights[key].B - b.weights[key].B).abs().max().item() for key in a.weights)
