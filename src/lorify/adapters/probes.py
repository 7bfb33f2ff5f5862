"""Probe prompts that check exported and merged weights: their logits must match those of the base with the adapter."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lorify.adapters.batching import build_lora_batch
from lorify.adapters.stack import AdapterLike
from lorify.errors import AdapterError, first_line

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from lorify.base.model import BaseLM

PROBE_PROMPT = "The harbour museum of the small town opens at ten in the morning, and the last boat leaves at six."
PROBE_TOKENS = 16
_TOLERANCE = 1e-3
_ROUNDED_TOLERANCES = {torch.bfloat16: 0.1, torch.float16: 0.02}


def probe_prompt_ids(base: BaseLM) -> Tensor:
    """Return the token ids of the probe prompt `[1, tokens]`.

    It is ordinary text: at special tokens, hidden states are so large that rounding changes logits by dozens.
    """
    ids = torch.tensor([base.encode_text(PROBE_PROMPT)[:PROBE_TOKENS]], device=base.device)
    return ids % base.model.config.get_text_config().vocab_size  # the folder of a base may contain another tokenizer


@torch.no_grad()
def probe_logits(base: BaseLM, adapters: AdapterLike) -> Tensor:
    """Return `run_probe` of the base with adapters applied."""
    with base.hooks.applied(build_lora_batch([adapters], base)):
        return run_probe(base.model, base)


def peft_logits(base: BaseLM, folder: Path) -> Tensor:
    """Return `run_probe` of the base with a PEFT adapter that the package peft loads.

    Raises:
        AdapterError: as for `load_with_peft`.
    """
    adapted = load_with_peft(base, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about how peft itself uses transformers
        return run_probe(adapted, base)


@torch.no_grad()
def run_probe(model: PreTrainedModel | PeftModel, base: BaseLM) -> Tensor:
    """Return a model's logits for the probe prompt except its first token, `[1, tokens - 1, vocabulary]`.

    Hidden states at the first token are always very large (massive activations, arXiv 2402.17762), so rounding to
    bfloat16 changes its logits by several units.
    """
    return model(input_ids=probe_prompt_ids(base).to(model.device), use_cache=False).logits[:, 1:]


def load_with_peft(base: BaseLM, folder: Path) -> PeftModel:
    """Load a PEFT adapter with the package peft, into a copy of the base's model that shares its weights.

    Args:
        base: the base model; it is not changed.
        folder: folder of the PEFT adapter.

    Returns:
        The model with the adapter, without lorify's hooks.

    Raises:
        AdapterError: if peft cannot load the folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about how peft itself uses transformers
        import peft  # imported here because it takes a second

        try:
            adapted = peft.PeftModel.from_pretrained(_twin(base), folder, torch_device=str(base.device))
        except Exception as error:  # peft raises all kinds of exceptions on damaged adapters
            reason = first_line(error)
            raise AdapterError(
                f"PEFT adapter {folder} cannot be loaded by the package peft ({type(error).__name__}: {reason}); "
                "update peft, or make the adapter again"
            ) from error
        return adapted.eval()


def agree(found: Tensor, wanted: Tensor, dtype: torch.dtype) -> bool:
    """Return whether logits are finite and equal up to the rounding errors of a model of this dtype.

    Args:
        found: logits, of any shape.
        wanted: logits of the same shape to compare with.
        dtype: dtype that the model computes in; it sets the tolerance.
    """
    found, wanted = found.float().cpu(), wanted.float().cpu()
    limit = _ROUNDED_TOLERANCES.get(dtype, _TOLERANCE) * max(1.0, float(wanted.abs().max()))
    return bool(torch.isfinite(found).all()) and bool((found - wanted).abs().max() <= limit)


def _twin(base: BaseLM) -> PreTrainedModel:
    """Copy the base's model without lorify's hooks, sharing its weights: peft modifies the model it is given."""
    model = base.model
    with torch.device("meta"):
        twin = type(model)(copy.deepcopy(model.config))
    twin.load_state_dict(model.state_dict(), assign=True)
    for name, buffer in model.named_buffers():  # including those that are not in the state dict
        path, _, leaf = name.rpartition(".")
        twin.get_submodule(path)._buffers[leaf] = buffer
    return twin.eval()
