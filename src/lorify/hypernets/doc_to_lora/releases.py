"""The bases of the published Doc-to-LoRA checkpoints, and a lookup of any base's architecture by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError


@dataclass(frozen=True)
class Release:
    """A base with a published checkpoint.

    Attributes:
        architecture: its class in transformers.
        prefix_ids: token ids before each chunk in training.
        suffix_ids: token ids after each chunk in training.
    """

    architecture: str
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]


RELEASES = {
    # <bos><start_of_turn>user\n\n\n ... <end_of_turn>\n<start_of_turn>model\n
    "google/gemma-2-2b-it": Release("Gemma2ForCausalLM", (2, 106, 1645, 110), (107, 108, 106, 2516, 108)),
    # <s> [INST] \n\n ... [/INST]
    "mistralai/Mistral-7B-Instruct-v0.2": Release(
        "MistralForCausalLM", (1, 733, 16289, 28793, 28705, 13, 13), (733, 28748, 16289, 28793)
    ),
    # <|im_start|>system\n<|im_end|>\n<|im_start|>user\n ... <|im_end|>\n<|im_start|>assistant\n
    "Qwen/Qwen3-4B-Instruct-2507": Release(
        "Qwen3ForCausalLM", (151644, 8948, 198, 151645, 198, 151644, 872, 198), (151645, 198, 151644, 77091, 198)
    ),
}


def named_architecture(name: str) -> str | None:
    """Find the architecture of a base by its name: from the table, a local folder or the hub's cache.

    A checkpoint records nothing else about the architecture of its base.

    Returns:
        The name of the class in transformers; None if unknown.
    """
    if name in RELEASES:
        return RELEASES[name].architecture
    try:
        found = Path(name) / "config.json" if Path(name).is_dir() else try_to_load_from_cache(name, "config.json")
        config = json.loads(Path(found).read_text(encoding="utf-8")) if isinstance(found, str | Path) else {}
    except (HFValidationError, OSError, ValueError):  # not a hub id, or a damaged file
        return None
    return next(iter(config.get("architectures") or ()), None)
