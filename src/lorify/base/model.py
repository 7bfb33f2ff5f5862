"""The frozen base model: load it, address its linear layers and record its activations."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from lorify.base.activations import ActivationHooks, Activations
from lorify.base.architectures import find_architecture
from lorify.base.chat import stop_token_ids
from lorify.base.constrained_decoding import GrammarTokens
from lorify.base.control_tokens import encode_plain
from lorify.base.files import DEFAULT_BASE, resolve_base, weights_digest
from lorify.base.lora import LoraHooks
from lorify.base.lower_block_cache import LowerBlockCache
from lorify.base.packed_weights import PackedMatrices
from lorify.base.sharding import can_shard, is_sharded, shard_blocks
from lorify.base.structure import (
    check_logits,
    find_blocks,
    find_linears,
    find_window,
    is_recurrent,
    logit_factor,
    probe_ids,
    probe_linears,
    text_model,
)
from lorify.errors import BaseModelError


class BaseLM:
    """A frozen causal language model with its tokenizer and its LoRA hooks.

    Attributes:
        architecture: entry of its architecture in the registry.
        model: the Hugging Face model, in evaluation mode and with frozen parameters.
        tokenizer: its tokenizer.
        name: the name that the user gave: a hub id, an absolute path or the default name.
        digest: SHA-256 of its weights, recorded in every adapter made for it.
        hooks: apply a `LoraBatch` to forward passes (see `lorify.base.lora`).
        activation_hooks: record the inputs of blocks and linear layers (see `lorify.base.activations`).
        lower_block_cache: lets repeated rows skip the blocks below the first adapted one (see
            `lorify.base.lower_block_cache`).
        is_recurrent: whether some blocks carry a state from token to token, as state-space layers do.
        window_tokens: length of the context window, in tokens.
        packed_matrices: weights packed for decoding on a CPU (see `lorify.base.packed_weights`).
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, digest: str) -> None:
        """Freeze `model` and install the hooks on its blocks and their linear layers.

        Raises:
            BaseModelError: if the model lacks what lorify needs (see `lorify.base.structure`).
        """
        self.architecture = find_architecture(type(model).__name__)
        self.model = model.eval().requires_grad_(False)
        self.decoder = cast(nn.Module, model.get_decoder())
        blocks_path, self.blocks = find_blocks(model, name)
        self.is_recurrent = is_recurrent(self.blocks)
        self.window_tokens = find_window(model.config, name)
        self.tokenizer = tokenizer
        self.name = name
        self.digest = digest
        self._logit_factor = logit_factor(model.config)
        self._linear_paths = find_linears(self.blocks, blocks_path, name)
        if not self.architecture.is_known:
            self._linear_paths = probe_linears(model, self._linear_paths)
        self.linear_keys: dict[tuple[int, str], nn.Linear] = {
            key: module
            for key, path in self._linear_paths.items()
            if isinstance(module := model.get_submodule(path), nn.Linear)
        }
        self.hooks = LoraHooks(self.linear_keys)
        self.packed_matrices = PackedMatrices()
        self.activation_hooks = ActivationHooks(self.blocks, self.linear_keys)
        self.lower_block_cache = LowerBlockCache(self.blocks)
        if not self.architecture.is_known:
            check_logits(model, self._probe_logits(), name)

    @property
    def num_layers(self) -> int:
        """Return the number of transformer blocks."""
        return len(self.blocks)

    @property
    def hidden_size(self) -> int:
        """Return the width of the hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the weights."""
        return self.model.dtype

    @property
    def stop_ids(self) -> set[int]:
        """Return the tokens that end an answer (see `lorify.base.chat.stop_token_ids`)."""
        return stop_token_ids(self.tokenizer, self.model.generation_config)

    @cached_property
    def grammar_tokens(self) -> GrammarTokens:
        """The tokens as grammars see them, for answers in a given form; the first use takes about a second."""
        return GrammarTokens(self.tokenizer, self.model.config.vocab_size, self.stop_ids)

    @property
    def is_sharded(self) -> bool:
        """Return whether the blocks are sharded over several processes."""
        return is_sharded(self.blocks[0])

    def linear(self, layer: int, module: str) -> nn.Linear:
        """Return the linear layer `module`, such as `down_proj`, of block `layer`.

        Raises:
            BaseModelError: if the base has no such block or linear layer.
        """
        if (layer, module) not in self.linear_keys:
            known = sorted({name for _, name in self.linear_keys})
            raise BaseModelError(
                f"base model {self.name!r} has no linear layer {module!r} in block {layer}; "
                f"it has blocks 0 to {self.num_layers - 1} with {', '.join(known)}"
            )
        return self.linear_keys[layer, module]

    def module_path(self, layer: int, module: str) -> str:
        """Return the dotted path of a linear layer inside the Hugging Face model.

        Raises:
            BaseModelError: if the base has no such block or linear layer.
        """
        self.linear(layer, module)
        return self._linear_paths[layer, module]

    def encode_text(self, text: str) -> list[int]:
        """Tokenize a text, without special tokens; control tokens in it are ordinary text."""
        return encode_plain(self.tokenizer, text)

    def decode_text(self, ids: Sequence[int]) -> str:
        """Decode token ids to text, without special tokens."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language-model head.

        Args:
            hidden: output of the decoder `[..., hidden]`.

        Returns:
            Logits `[..., vocabulary]` in float32, scaled (Granite) and soft-capped (Gemma 2) as by the base.
        """
        logits = cast(nn.Module, self.model.get_output_embeddings())(hidden).float() * self._logit_factor
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def output_embeddings(self, ids: Tensor) -> Tensor:
        """Return the output embeddings `[..., hidden]` of token ids `[...]`, the rows of the language-model head."""
        head = cast(nn.Linear, self.model.get_output_embeddings())
        return F.embedding(ids, head.weight)

    def attention_mask(self, allowed: Tensor) -> Tensor:
        """Convert a boolean attention mask to the form that the decoder takes.

        Bases that do not use PyTorch's own attention (Gemma 2 caps its scores) add the mask to the scores.

        Args:
            allowed: `[batch, 1, queries, keys]`, True where a query may attend to a key.

        Returns:
            The same mask, or one of the same shape with 0 where attention is allowed and the lowest number elsewhere.

        Raises:
            BaseModelError: if the base has recurrent layers, which a mask does not keep from other sequences.
        """
        if self.is_recurrent:
            raise BaseModelError(
                f"base model {self.name!r} has recurrent layers, which cannot keep packed sequences apart; give a base "
                "with attention only"
            )
        if self.model.config._attn_implementation == "sdpa":
            return allowed
        lowest = torch.finfo(self.dtype).min
        return torch.zeros_like(allowed, dtype=self.dtype).masked_fill(~allowed, lowest)

    @torch.no_grad()
    def _probe_logits(self) -> Tensor:
        return self.logits(self.decoder(input_ids=probe_ids(self.device), use_cache=False).last_hidden_state)

    def activations(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        *,
        layers: Sequence[int],
        module: str | None = None,
        position_ids: Tensor | None = None,
    ) -> Activations:
        """Run the base without adapters and return the inputs of some of its blocks.

        Blocks above the highest requested one are not computed.

        Args:
            input_ids: token ids `[batch, tokens]`.
            attention_mask: `[batch, tokens]`, 1 for tokens and 0 for padding on the right; or a mask made by
                `attention_mask`. None if padding is on the right and the caller ignores it: attention is causal, so
                padding does not affect the tokens before it.
            layers: indices of the blocks whose inputs to return.
            module: linear layer of these blocks, such as `down_proj`, whose inputs to return too.
            position_ids: `[batch, tokens]`; by default 0, 1, 2, ...

        Returns:
            Inputs of the blocks `[batch, tokens, hidden]` and of their linear layer `[batch, tokens, d_in]`.
        """
        assert module is None or not self.is_sharded, "stopping inside a sharded block would leave it gathered"

        def forward() -> None:
            with self.hooks.applied(None):
                self.decoder(
                    input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=False
                )

        return self.activation_hooks.run(forward, layers=layers, module=module)


def best_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device multiplies it natively, else float32, since emulated bfloat16 is slower."""
    if device.type == "cpu":
        native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if native and torch.cpu._is_avx512_bf16_supported() else torch.float32
    return torch.bfloat16


def best_device() -> torch.device:
    """Return the CUDA device if there is one, else Apple's MPS, else the CPU.

    With several CUDA devices, the process takes the one of its `LOCAL_RANK`, which `torchrun` and
    `accelerate launch` set.
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
    """Return the class of transformers that loads a base: for language models, or for those that read images too.

    Raises:
        BaseModelError: if transformers has no such class for it, or the config cannot be read.
    """
    with reading("config.json", name, folder):
        config = AutoConfig.from_pretrained(folder)
    kind = (config.architectures or ["unknown"])[0]
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values() and not kind.endswith("ForCausalLM"):
        return AutoModelForImageTextToText
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise BaseModelError(f"base model {name!r} ({kind}) is no causal language model of transformers; give one")
    return AutoModelForCausalLM


def load_weights(
    loader: type, name: str, folder: Path, *, dtype: torch.dtype, device: torch.device, quantized: bool
) -> PreTrainedModel:
    """Load a model from a Hugging Face model folder.

    Args:
        loader: class of transformers that loads it, such as `AutoModelForCausalLM`.
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
            f"base model {name!r} cannot be loaded in 4 bits ({str(error).splitlines()[0]}); "
            "pip install 'lorify[quantized]'"
        ) from error
    except Exception as error:  # readers raise all kinds of exceptions on damaged files
        reason = (str(error).splitlines() or ["no reason given"])[0]
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
    """Refuse weights of which transformers would initialize some at random."""
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
