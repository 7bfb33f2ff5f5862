"""Checks that an imported hypernetwork does what its checkpoint does.

Importers compare the update of each linear layer with the one that the checkpoint's own weights define, computed
without the shortcuts of inference, and then run the base with the adapter.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from lorify.adapters.probes import probe_prompt_ids
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError

PROBE_DOCUMENT = "The harbour museum opens at ten. Its curator is Ada Quill, and it shows forty-two ships."
TOLERANCE = 1e-4
"""Allowed difference of an update, relative to its largest number."""


def tokenizer_misfit(base: BaseLM) -> str | None:
    """Return an error message if the base has no embedding for some token of the probe text; else None.

    Its tokenizer then belongs to another base.
    """
    num_embeddings = cast(nn.Embedding, base.model.get_input_embeddings()).weight.shape[0]
    largest = max(base.encode_text(PROBE_DOCUMENT))
    if largest < num_embeddings:
        return None
    return (
        f"tokenizer of base model {base.name!r} is larger than its vocabulary: it gives token {largest}, and there "
        f"are {num_embeddings} embeddings; put the tokenizer of that base into its folder"
    )


def check_update(found: Tensor, expected: Tensor, layer: int, module: str) -> None:
    """Compare two updates `[out, in]` of one linear layer.

    Raises:
        HypernetworkError: if they differ, or one is not finite.
    """
    is_close = bool(torch.isfinite(found).all()) and torch.allclose(
        found, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max())
    )
    if not is_close:
        raise HypernetworkError(
            f"the imported hypernetwork differs from its checkpoint at {module} of block {layer}: the update is off "
            f"by {(found - expected).abs().max():.2g}; nothing was kept; please report it"
        )


@torch.no_grad()
def logit_change(base: BaseLM, batch: LoraBatch | None) -> float:
    """Compute the largest change that an adapter makes to a logit.

    Raises:
        HypernetworkError: if no logit changes, or one is not finite.
    """
    probe = probe_prompt_ids(base)
    logits = []
    for lora in (batch, None):
        with base.hooks.applied(lora):
            logits.append(base.model(input_ids=probe, use_cache=False).logits.float())
    change = float((logits[0] - logits[1]).abs().max())
    if not 0 < change < float("inf"):
        raise HypernetworkError(
            f"the imported hypernetwork's adapters change the probe's logits by {change}; its checkpoint was not "
            "trained, or is damaged; give another"
        )
    return change
