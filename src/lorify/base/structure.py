"""Find the parts of a language model by its structure: blocks, linear layers, context window, head.

The requirements that lorify has for a base are checked here, so that an unsuitable model is refused with a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from lorify.errors import BaseModelError

WINDOW_FIELDS = ("max_position_embeddings", "max_seq_len", "seq_length")
"""Config fields that hold the length of the context window."""
_LOGIT_FACTORS = {"logit_scale": 1, "lm_head_multiplier": 1, "logits_scaling": -1}
"""Config fields with a factor that logits are multiplied (1) or divided (-1) by."""
_TOLERANCE = 0.05  # relative; logits in bfloat16 differ by a hundredth


def text_model(model: PreTrainedModel) -> PreTrainedModel:
    """Return the language model inside a multimodal wrapper, sharing its weights; other models are returned unchanged.

    Raises:
        BaseModelError: if transformers has no language model for the wrapper's text config.
    """
    config = model.config.get_text_config(decoder=True)
    if config is model.config:
        return model
    kind = type(model).__name__
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    try:
        with torch.device("meta"):
            text = cast(PreTrainedModel, AutoModelForCausalLM.from_config(config, dtype=model.dtype))
    except ValueError as error:
        raise BaseModelError(
            f"{kind} has no language model of its own in transformers; give a text-only base"
        ) from error
    if type(text.base_model) is not type(decoder) or head is None:
        raise BaseModelError(
            f"the language model of {kind} is of a type that lorify cannot separate; give a text-only base"
        )
    setattr(text, text.base_model_prefix, decoder)
    text.set_output_embeddings(cast(nn.Module, head))
    text.generation_config = model.generation_config
    return text


def find_blocks(model: PreTrainedModel, name: str) -> tuple[str, list[nn.Module]]:
    """Find the transformer blocks of a decoder-only model.

    Args:
        model: the model.
        name: name of the base, for the error.

    Returns:
        Dotted path of the list of blocks inside the model, and the blocks.

    Raises:
        BaseModelError: if the model is not a decoder with one list of blocks.
    """
    kind = type(model).__name__
    if model.config.is_encoder_decoder:
        raise BaseModelError(f"base model {name!r} is an encoder-decoder ({kind}); give a decoder-only language model")
    decoder, number = model.get_decoder(), model.config.get_text_config(decoder=True).num_hidden_layers
    lists = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == number and _is_inside(module, decoder)
    ]
    if not lists:
        raise BaseModelError(
            f"base model {name!r} ({kind}) has no list of {number} blocks, which lorify needs; give another base"
        )
    path, blocks = min(lists, key=lambda found: found[0].count("."))
    if len({id(p) for b in blocks for p in b.parameters()}) < sum(len(list(b.parameters())) for b in blocks):
        raise BaseModelError(
            f"base model {name!r} ({kind}) shares weights between its blocks, so that they cannot be adapted one by "
            "one; give another base"
        )
    return path, list(blocks)


def _is_inside(module: nn.Module, parent: Any) -> bool:
    return any(module is other for other in parent.modules())


def find_linears(blocks: Sequence[nn.Module], blocks_path: str, name: str) -> dict[tuple[int, str], str]:
    """Map (block index, module name) to the dotted path of every linear layer in the blocks.

    The name is the last part of the path, such as `down_proj`. If a block has several layers of that name, it has as
    many parts as are needed to tell them apart, such as `shared_expert.down_proj`.

    Args:
        blocks: the blocks.
        blocks_path: dotted path of their list inside the model.
        name: name of the base, for the error.

    Raises:
        BaseModelError: if there is no linear layer.
    """
    paths: dict[tuple[int, str], str] = {}
    for index, block in enumerate(blocks):
        found = [path for path, module in block.named_modules() if isinstance(module, nn.Linear)]
        for path in found:
            paths[index, _short_name(path, found)] = f"{blocks_path}.{index}.{path}"
    if not paths:
        kinds = Counter(
            type(module).__name__ for module in blocks[0].modules() if next(module.parameters(False), None) is not None
        )
        raise BaseModelError(
            f"base model {name!r} has no linear layers in its blocks (they hold {', '.join(sorted(kinds))}); "
            "lorify adapts torch.nn.Linear only: give another base"
        )
    return paths


def _short_name(path: str, others: Sequence[str]) -> str:
    """Return the shortest end of a dotted path that no other path shares."""
    parts = path.split(".")
    ends = (".".join(parts[-n:]) for n in range(1, len(parts)))
    return next((end for end in ends if sum(f".{other}".endswith(f".{end}") for other in others) == 1), path)


def is_recurrent(blocks: Sequence[nn.Module]) -> bool:
    """Return whether some blocks carry a state from token to token (state-space, linear-attention, convolution layers).

    All of them have a convolution over the last tokens. Padding on the left and packed sequences would leak into it.
    """
    return any(isinstance(module, nn.Conv1d) for block in blocks for module in block.modules())


def find_window(config: PreTrainedConfig, name: str) -> int:
    """Return the length of the context window in tokens.

    Raises:
        BaseModelError: if the config has none.
    """
    for field in WINDOW_FIELDS:
        if isinstance(value := getattr(config, field, None), int):
            return value
    raise BaseModelError(
        f"the config of base model {name!r} gives no context window; add max_position_embeddings to its config.json"
    )


def find_sliding_window(config: PreTrainedConfig) -> int | None:
    """Return how many tokens sliding attention reaches back; None if no layer has it."""
    layer_types = getattr(config, "layer_types", None) or ["sliding_attention"]
    return getattr(config, "sliding_window", None) if "sliding_attention" in layer_types else None


def logit_factor(config: PreTrainedConfig) -> float:
    """Return the factor by which a model multiplies the output of its head (Cohere, Granite, Falcon-H1)."""
    factor = 1.0
    for field, power in _LOGIT_FACTORS.items():
        factor *= float(getattr(config, field, None) or 1.0) ** power
    return factor


@torch.no_grad()
def probe_linears(model: PreTrainedModel, paths: dict[tuple[int, str], str]) -> dict[tuple[int, str], str]:
    """Return the linear layers whose input keeps the rows of a batch apart, `[rows, tokens, features]`.

    Only these can have a different update for each row. Experts get the tokens of all rows in one list.

    Args:
        model: the model.
        paths: dotted paths of linear layers, as from `find_linears`.
    """
    shapes: dict[str, torch.Size] = {}

    def record(path: str):
        return lambda _module, inputs: shapes.update({path: inputs[0].shape})

    hooks = [model.get_submodule(path).register_forward_pre_hook(record(path)) for path in paths.values()]
    try:
        ids = probe_ids(model.device)
        model(input_ids=ids, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {key: path for key, path in paths.items() if shapes.get(path, ())[:-1] == ids.shape}


@torch.no_grad()
def check_logits(model: PreTrainedModel, ours: Tensor, name: str) -> None:
    """Refuse a model unless its logits are its head applied to its decoder's output, scaled and capped as known.

    Args:
        model: the model.
        ours: logits of the probe prompts, computed from the decoder's output.
        name: name of the base, for the error.

    Raises:
        BaseModelError: if the model's own logits differ.
    """
    theirs = model(input_ids=probe_ids(model.device), use_cache=False).logits.float()
    error = (ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-6)
    if not error < _TOLERANCE:  # also true for NaN
        raise BaseModelError(
            f"base model {name!r} ({type(model).__name__}) computes its logits in a way that lorify does not know; "
            "give another base"
        )


def probe_ids(device: torch.device) -> Tensor:
    """Return token ids `[2, 3]` that are in every vocabulary."""
    return torch.arange(6, device=device).view(2, 3)
