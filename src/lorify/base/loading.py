"""Load a base model from its files, onto a device and in a dtype."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from lorify.base.files.locate import DEFAULT_BASE, resolve_base, weights_digest
from lorify.base.model import BaseLM
from lorify.base.sharding import can_shard, shard_blocks
from lorify.base.structure import text_model
from lorify.errors import BaseModelError, first_line


def best_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device multiplies it natively, else float32, since emulated bfloat16 is slower."""
    if device.type == "cpu":
        native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if native and torch.cpu._is_avx512_bf16_supported() else torch.float32
    return torch.bfloat16


def best_device() -> torch.device:
    """Return the CUDA device if there is one, else Apple's MPS, else the CPU.

    With several CUDA devices, each process uses the one with the index `LOCAL_RANK`, which `torchrun` and
    `accelerate launch` set.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def wait_for_device(device: torch.device) -> None:
    """Wait for an accelerator's queued work, before a time is measured."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_bytes(device: torch.device) -> int:
    """Return the peak accelerator memory of this process, in bytes; 0 on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return torch.mps.driver_allocated_memory() if device.type == "mps" else 0


def load_base(
    name: str = DEFAULT_BASE,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    quantized: bool = False,
    sharded: bool = False,
) -> BaseLM:
    """Load a base model.

    Args:
        name: the default name `smollm2-135m`, a Hugging Face id, a local folder or a GGUF file.
        dtype: dtype of the weights; by default `best_dtype(device)`.
        device: device of the weights; by default `best_device()`.
        quantized: load the weights in 4 bits (NF4 with double quantization, by bitsandbytes); CUDA only.
        sharded: shard the blocks over all training processes (see `lorify.base.sharding`); not together with
            `quantized`.

    Raises:
        BaseModelError: if the files cannot be found, downloaded or read, the model lacks what lorify needs, or
            `sharded` is set without a process group.
    """
    folder = resolve_base(name)
    target = torch.device(device) if device is not None else best_device()
    chosen = dtype or best_dtype(target)
    loader = _find_loader(name, folder)
    if sharded and not can_shard():
        raise BaseModelError(
            f"base model {name!r} cannot be sharded over a single process; start several with accelerate launch or "
            "torchrun"
        )
    first = torch.device("cpu") if sharded else target  # the whole base may not fit on the device
    model = text_model(load_weights(loader, name, folder, dtype=chosen, device=first, quantized=quantized))
    if sharded:
        assert not quantized
        shard_blocks(model.requires_grad_(False), target)
    with reading("tokenizer", name, folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    label = str(Path(name).resolve()) if os.path.exists(name) else name
    return BaseLM(model, tokenizer, name=label, digest=weights_digest(folder))


def _find_loader(name: str, folder: Path) -> type:
    """Return the transformers class that loads a base: for language models, or for models that also read images.

    Raises:
        BaseModelError: if transformers has no class for it, or the config cannot be read.
    """
    with reading("config.json", name, folder):
        config = AutoConfig.from_pretrained(folder)
    kind = (config.architectures or ["unknown"])[0]
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values() and not kind.endswith("ForCausalLM"):
        return AutoModelForImageTextToText
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise BaseModelError(f"base model {name!r} ({kind}) is not a causal language model of transformers; give one")
    return AutoModelForCausalLM


def load_weights(
    loader: type, name: str, folder: Path, *, dtype: torch.dtype, device: torch.device, quantized: bool
) -> PreTrainedModel:
    """Load a model from a Hugging Face model folder.

    Args:
        loader: the transformers class that loads it, such as `AutoModelForCausalLM`.
        name: name of the model in error messages.
        folder: the model folder.
        dtype: dtype of the weights.
        device: device of the weights.
        quantized: load the weights in 4 bits; CUDA only.

    Raises:
        BaseModelError: if the weights cannot be read or do not match the config.
    """
    quantization = {}
    if quantized:
        settings = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        quantization = {"quantization_config": settings, "device_map": {"": device}}
    with reading("weights", name, folder), _without_report():
        # Mismatched shapes are ignored here because `_refuse_gaps` reports them from the loading info.
        loaded = loader.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **quantization
        )
    model, report = cast(tuple[PreTrainedModel, dict[str, Iterable]], loaded)
    _refuse_gaps(report, name, folder)
    # bitsandbytes moves the model to the device itself.
    return model if quantized else cast(PreTrainedModel, model.to(device))  # pyright: ignore[reportArgumentType]


@contextmanager
def reading(part: str, name: str, folder: Path) -> Iterator[None]:
    """Turn exceptions inside the `with` block into a `BaseModelError` that names the part that cannot be read.

    Args:
        part: part of the base model that is read, such as `config.json`.
        name: name of the base model.
        folder: the model folder.
    """
    try:
        yield
    except ImportError as error:
        raise BaseModelError(
            f"base model {name!r} cannot be loaded in 4 bits ({first_line(error)}); pip install 'lorify[quantized]'"
        ) from error
    except Exception as error:  # readers raise all kinds of exceptions on damaged files
        reason = first_line(error)
        raise BaseModelError(
            f"{part} of base model {name!r} in {folder} cannot be read ({type(error).__name__}: {reason}); "
            "download it again"
        ) from error


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep transformers from printing its loading report; `_refuse_gaps` raises one short error instead."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _refuse_gaps(report: Mapping[str, Iterable], name: str, folder: Path) -> None:
    """Refuse incomplete weights: transformers would initialize the missing ones at random."""
    missing = sorted(report["missing_keys"])
    wrong = sorted(report["mismatched_keys"])  # (name, shape in the file, shape of the model)
    if not missing and not wrong:
        return
    first = (
        f"{missing[0]} is missing" if missing else f"{wrong[0][0]} is {tuple(wrong[0][1])}, not {tuple(wrong[0][2])}"
    )
    more = len(missing) + len(wrong) - 1
    raise BaseModelError(
        f"weights of base model {name!r} in {folder} do not match its config: {first}"
        f"{f', and {more} more' if more else ''}; download it again"
    )
