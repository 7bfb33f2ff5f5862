"""What leaves lorify proves itself: a probe prompt gives the logits that it should, or nothing is written."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lorify.adapters.batching import build_lora_batch
from lorify.adapters.stack import AdapterLike
from lorify.errors import AdapterError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from lorify.base.model import BaseLM

PROBE_TOKENS = 8
_TOLERANCE = 1e-3
_ROUNDED_TOLERANCES = {torch.bfloat16: 0.1, torch.float16: 0.02}


def probe_ids(base: BaseLM) -> Tensor:
    """Token ids of the probe prompt `[1, tokens]`."""
    return torch.arange(PROBE_TOKENS, device=base.device).unsqueeze(0)


@torch.no_grad()
def probe_logits(base: BaseLM, adapters: AdapterLike) -> Tensor:
    """Logits of the probe prompt `[1, tokens, vocabulary]` with adapters applied, or without any."""
    with base.hooks.applied(build_lora_batch([adapters], base)):
        return base.model(input_ids=probe_ids(base), use_cache=False).logits


@torch.no_grad()
def peft_logits(base: BaseLM, folder: Path) -> Tensor:
    """Logits of the probe prompt as the package peft makes them of the base and an adapter's folder.

    Raises:
        AdapterError: if peft cannot load the folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own use of transformers
        import peft  # takes a second, and few need it

        try:
            adapted = peft.PeftModel.from_pretrained(_twin(base), folder, torch_device=str(base.device))
        except Exception as error:  # peft raises whatever it stumbles over
            reason = (str(error).strip().splitlines() or ["no reason given"])[0]
            raise AdapterError(
                f"PEFT adapter {folder} cannot be loaded by the package peft ({type(error).__name__}: {reason}); "
                "update peft, or make the adapter again"
            ) from error
        return adapted.eval()(input_ids=probe_ids(base), use_cache=False).logits


def agree(found: Tensor, wanted: Tensor, dtype: torch.dtype) -> bool:
    """Whether logits are the same, up to the rounding of a model of this dtype."""
    found, wanted = found.float().cpu(), wanted.float().cpu()
    limit = _ROUNDED_TOLERANCES.get(dtype, _TOLERANCE) * max(1.0, float(wanted.abs().max()))
    return bool(torch.isfinite(found).all()) and bool((found - wanted).abs().max() <= limit)


def _twin(base: BaseLM) -> PreTrainedModel:
    """The base's model once more, without lorify's hooks, on the same weights: peft puts its layers into a model."""
    model = base.model
    with torch.device("meta"):
        twin = type(model)(copy.deepcopy(model.config))
    twin.load_state_dict(model.state_dict(), assign=True)
    for name, buffer in model.named_buffers():  # those that are not saved with the weights, too
        path, _, leaf = name.rpartition(".")
        twin.get_submodule(path)._buffers[leaf] = buffer
    return twin.eval()
