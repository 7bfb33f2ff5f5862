"""Convert GGUF base models to Hugging Face form."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lorify.atomic import save_tensors
from lorify.base.files.gguf_files import merge_shards
from lorify.errors import BaseModelError, first_line

GGUF_NAME = "model.gguf"
"""Name of the copy of the GGUF file in the converted folder."""


def convert_gguf(shards: Sequence[Path], folder: Path) -> None:
    """Dequantize a GGUF file, or its shards, into Hugging Face form, in bfloat16.

    bfloat16 rounds by up to 2^-9, far less than the quantization error of Q4 weights.

    Args:
        shards: the GGUF file, or all shards of a split file in order.
        folder: an empty folder for config, weights, tokenizer and a copy of the GGUF file.

    Raises:
        BaseModelError: if the file cannot be read as a language model, or lacks weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = folder / GGUF_NAME
    if len(shards) == 1:
        shutil.copyfile(shards[0], gguf)
    else:
        merge_shards(shards, gguf)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # hides the reader's progress bars
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32, output_loading_info=True
            )
            model, loading = loaded
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:  # the GGUF reader raises errors of many types on damaged files
        raise BaseModelError(
            f"{shards[0].name} cannot be read as a language model ({type(error).__name__}: "
            f"{first_line(error)}); "
            "download it again, or give a folder in Hugging Face form"
        ) from error
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    missing = sorted(set(loading["missing_keys"]) - tied)
    if missing:
        raise BaseModelError(
            f"{shards[0].name} is incomplete: it has no weights for {missing[0]}"
            f"{f' and {len(missing) - 1} others' if len(missing) > 1 else ''}; download it again"
        )
    weights = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_tensors(weights, folder / "model.safetensors", {"format": "pt"})
    config = model.config.to_dict()
    config.pop("quantization_config", None)  # the weights are no longer quantized
    config |= {"dtype": "bfloat16", "architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
