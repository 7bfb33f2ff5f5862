"""The frozen base model: load it, address its linear layers and read its activations."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lorify.base.activations import ActivationHooks, Activations
from lorify.base.architectures import find_architecture
from lorify.base.files import DEFAULT_BASE, resolve_base, weights_digest
from lorify.base.lora import LoraHooks
from lorify.base.lower_block_cache import LowerBlockCache
from lorify.base.packed_weights import PackedMatrices
from lorify.base.sharding import can_shard, is_sharded, shard_blocks
from lorify.errors import BaseModelError


class BaseLM:
    """A frozen causal language model with its tokenizer and its LoRA hooks.

    Attributes:
        architecture: the registry's entry for it.
        model: the Hugging Face model, in evaluation mode, no parameter requires a gradient.
        tokenizer: its tokenizer.
        name: what the user called it (a hub id, a folder or the default name).
        digest: SHA-256 of its weights; adapters carry it.
        hooks: applies a `LoraBatch` to forward passes (see `lorify.base.lora`).
        activation_hooks: keeps what enters blocks and linear layers (see `lorify.base.activations`).
        lower_block_cache: lets rows that were seen before skip the blocks below the adapted ones
            (see `lorify.base.lower_block_cache`).
        packed_matrices: its weights as decoding reads them on a CPU (see `lorify.base.packed_weights`).
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, digest: str) -> None:
        """Freeze `model` and install the hooks on its transformer blocks' linear layers."""
        self.architecture = find_architecture(type(model).__name__, name)
        self.model = model.eval().requires_grad_(False)
        self.decoder = cast(nn.Module, model.get_decoder())
        self.blocks = list(cast(nn.ModuleList, self.decoder.layers))
        self.tokenizer = tokenizer
        self.name = name
        self.digest = digest
        self._linear_paths = _find_linears(model, self.decoder)
        self.linear_keys: dict[tuple[int, str], nn.Linear] = {
            key: module
            for key, path in self._linear_paths.items()
            if isinstance(module := model.get_submodule(path), nn.Linear)
        }
        self.hooks = LoraHooks(self.linear_keys)
        self.packed_matrices = PackedMatrices()
        self.activation_hooks = ActivationHooks(self.blocks, self.linear_keys)
        self.lower_block_cache = LowerBlockCache(self.blocks)

    @property
    def num_layers(self) -> int:
        """Number of transformer blocks."""
        return int(self.model.config.num_hidden_layers)

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def window_tokens(self) -> int:
        """Longest input the base was made for, in tokens."""
        return int(self.model.config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return self.model.dtype

    @property
    def is_sharded(self) -> bool:
        """Whether this process has a part of the blocks only, and runs them together with others."""
        return is_sharded(self.blocks[0])

    def linear(self, layer: int, module: str) -> nn.Linear:
        """The linear layer `module` (such as `down_proj`) of block `layer`.

        Raises:
            BaseModelError: if the base has no such layer or module.
        """
        if (layer, module) not in self.linear_keys:
            known = sorted({name for _, name in self.linear_keys})
            raise BaseModelError(
                f"base model {self.name!r} has no linear layer {module!r} in block {layer}; "
                f"it has blocks 0 to {self.num_layers - 1} with {', '.join(known)}"
            )
        return self.linear_keys[layer, module]

    def module_path(self, layer: int, module: str) -> str:
        """Dotted path of a linear layer inside the Hugging Face model."""
        self.linear(layer, module)
        return self._linear_paths[layer, module]

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode_text(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def logits(self, hidden: Tensor) -> Tensor:
        """The language-model head.

        Args:
            hidden: the decoder's output `[..., hidden]`.

        Returns:
            Float32 logits `[..., vocabulary]`, soft-capped where the base does so (Gemma 2).
        """
        logits = cast(nn.Module, self.model.get_output_embeddings())(hidden).float()
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def output_embeddings(self, ids: Tensor) -> Tensor:
        """Rows of the language-model head `[..., hidden]` of token ids `[...]`: what makes the base say them."""
        head = cast(nn.Linear, self.model.get_output_embeddings())
        return F.embedding(ids, head.weight)

    def attention_mask(self, may_look: Tensor) -> Tensor:
        """Who may look at whom `[batch, 1, tokens, tokens]`, True for yes, as the decoder wants it.

        Bases whose attention is not PyTorch's own (Gemma 2 caps its scores) add the mask to the scores.
        """
        if self.model.config._attn_implementation == "sdpa":
            return may_look
        lowest = torch.finfo(self.dtype).min
        return torch.zeros_like(may_look, dtype=self.dtype).masked_fill(~may_look, lowest)

    def activations(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        *,
        layers: Sequence[int],
        module: str | None = None,
        position_ids: Tensor | None = None,
    ) -> Activations:
        """What happens inside the bare base; blocks above the highest one wanted are not computed.

        Args:
            input_ids: `[batch, tokens]`.
            attention_mask: `[batch, tokens]`, 1 for real tokens, padding on the right; or of `attention_mask`; None for
                padding on the right that is ignored afterwards: no token looks to its right.
            layers: blocks whose hidden states (and module inputs) are wanted.
            module: linear layer (such as `down_proj`) whose inputs are wanted too.
            position_ids: `[batch, tokens]`; by default they count up.
        """
        assert module is None or not self.is_sharded, "a block that is ended inside would stay gathered"

        def forward() -> None:
            with self.hooks.applied(None):
                self.decoder(
                    input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=False
                )

        return self.activation_hooks.run(forward, layers=layers, module=module)


def _find_linears(model: PreTrainedModel, decoder: nn.Module) -> dict[tuple[int, str], str]:
    """(block, module name) -> dotted path, for every linear layer inside the transformer blocks."""
    decoder_path = next(path for path, module in model.named_modules() if module is decoder)
    paths = {}
    for index, block in enumerate(cast(nn.ModuleList, decoder.layers)):
        for path, module in block.named_modules():
            if isinstance(module, nn.Linear):
                paths[index, path.rsplit(".", 1)[-1]] = f"{decoder_path}.layers.{index}.{path}"
    return paths


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, float32 elsewhere (emulated bfloat16 is slower)."""
    if device.type == "cpu":
        native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if native and torch.cpu._is_avx512_bf16_supported() else torch.float32
    return torch.bfloat16


def best_device() -> torch.device:
    """CUDA where there is one, then Apple's MPS, else the CPU.

    Of several CUDA devices the one of this process's `LOCAL_RANK`, which `torchrun` and `accelerate launch` set.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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
        dtype: dtype of the weights; by default the fastest exact-enough one for the device (`best_dtype`).
        device: where to run; by default `best_device()`.
        quantized: keep the weights in 4 bits (NF4 with double quantization, by bitsandbytes); on CUDA only.
        sharded: keep a part of each block in every process that trains together, see `lorify.base.sharding`; not in
            4 bits.

    Raises:
        BaseModelError: if the files cannot be found, fetched or read, the architecture is not supported, or the base
            is to be sharded in a process alone.
    """
    folder = resolve_base(name)
    target = torch.device(device) if device is not None else best_device()
    chosen = dtype or best_dtype(target)
    with reading("config.json", name, folder):
        architectures = AutoConfig.from_pretrained(folder).architectures or ["unknown"]
    find_architecture(architectures[0], name)
    if sharded and not can_shard():
        raise BaseModelError(
            f"base model {name!r} cannot be sharded: this is one process alone; start several with accelerate launch "
            "or torchrun"
        )
    first = torch.device("cpu") if sharded else target  # the device need not have room for the whole base
    model = load_weights(AutoModelForCausalLM, name, folder, dtype=chosen, device=first, quantized=quantized)
    if sharded:
        assert not quantized
        shard_blocks(model.requires_grad_(False), target)
    with reading("tokenizer", name, folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    label = str(Path(name).resolve()) if os.path.exists(name) else name
    return BaseLM(model, tokenizer, name=label, digest=weights_digest(folder))


def load_weights(
    loader: type, name: str, folder: Path, *, dtype: torch.dtype, device: torch.device, quantized: bool
) -> PreTrainedModel:
    """Load a model from a folder in Hugging Face form.

    Args:
        loader: the class of transformers that finds and loads it, such as `AutoModelForCausalLM`.
        name: what messages call it.
        folder: its files.
        dtype: dtype of the weights.
        device: where it goes.
        quantized: keep the weights in 4 bits; on CUDA only.

    Raises:
        BaseModelError: if the weights cannot be read, or do not fit the config.
    """
    quantization = {}
    if quantized:
        settings = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        quantization = {"quantization_config": settings, "device_map": {"": device}}
    with reading("weights", name, folder), _without_report():
        # With wrong shapes, too, the report is what says which.
        loaded = loader.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **quantization
        )
    model, report = cast(tuple[PreTrainedModel, dict[str, Iterable]], loaded)
    _refuse_gaps(report, name, folder)
    # bitsandbytes puts a model where it belongs by itself
    return model if quantized else cast(PreTrainedModel, model.to(device))  # pyright: ignore[reportArgumentType]


@contextmanager
def reading(part: str, name: str, folder: Path) -> Iterator[None]:
    """Say which part of a base model cannot be read."""
    try:
        yield
    except ImportError as error:
        raise BaseModelError(
            f"base model {name!r} cannot be loaded in 4 bits ({str(error).splitlines()[0]}); "
            "pip install 'lorify[quantized]'"
        ) from error
    except Exception as error:  # the readers raise whatever the damage makes them stumble over
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise BaseModelError(
            f"{part} of base model {name!r} in {folder} cannot be read ({type(error).__name__}: {reason}); "
            "download it again"
        ) from error


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep transformers from printing what it loaded: `_refuse_gaps` says in one line what is wrong with it."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _refuse_gaps(report: Mapping[str, Iterable], name: str, folder: Path) -> None:
    """Refuse weights that transformers would fill up with random numbers."""
    missing = sorted(report["missing_keys"])
    wrong = sorted(report["mismatched_keys"])  # (name, shape in the file, shape of the model)
    if not missing and not wrong:
        return
    first = (
        f"{missing[0]} is missing" if missing else f"{wrong[0][0]} is {tuple(wrong[0][1])}, not {tuple(wrong[0][2])}"
    )
    more = len(missing) + len(wrong) - 1
    raise BaseModelError(
        f"weights of base model {name!r} in {folder} do not fit its config: {first}"
        f"{f', and {more} more' if more else ''}; download it again"
    )
