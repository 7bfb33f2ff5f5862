"""A vision-language model as context encoder: hidden states of its language model over image and text tokens.

An image is the user's turn of a chat, just like a text. Texts are encoded as in a language model, so a hypernetwork
trained on texts can also read images.

Source: Doc-to-LoRA (arXiv 2602.15902), where gemma-3-4b-it encodes images for a text-only gemma-2-2b-it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    Idefics3Processor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from lorify.base.activations import ActivationHooks
from lorify.base.chat.control_tokens import encode_plain
from lorify.base.files.locate import resolve_base
from lorify.base.loading import load_weights, reading
from lorify.contexts.encoders.encoding import (
    Blocks,
    Chunk,
    EncodedContexts,
    EncoderKind,
    ImageChunk,
    chosen_states,
    pad_chunks,
)
from lorify.contexts.images import ImageContext
from lorify.errors import ContextError, first_line


@dataclass(frozen=True, eq=False)
class VisionEncoder:
    """A frozen vision-language model with its processor; see the module docstring.

    Attributes:
        model: the Hugging Face model, including its head.
        processor: the Hugging Face processor, which converts images and texts to pixels and token ids.
        name: the name given by the user.
    """

    model: PreTrainedModel
    processor: Any
    name: str

    def __post_init__(self) -> None:
        """Freeze the model.

        Raises:
            ContextError: if its language model does not consist of blocks followed by a norm.
        """
        self.model.eval().requires_grad_(False)
        if not isinstance(getattr(self._decoder, "layers", None), nn.ModuleList) or not hasattr(self._decoder, "norm"):
            raise ContextError(
                f"context encoder {self.name} is of kind {type(self.model).__name__}, whose hidden states lorify "
                "cannot read; give one such as Gemma 3 or SmolVLM"
            )
        _ = self._activation_hooks  # install the hooks now, not in the middle of a forward pass

    @property
    def reads_images(self) -> bool:
        """Return True; it reads texts and images."""
        return True

    @property
    def num_layers(self) -> int:
        """Return the number of blocks of its language model."""
        return len(cast(nn.ModuleList, self._decoder.layers))

    @property
    def feature_size(self) -> int:
        """Return the width of its hidden states."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def window_tokens(self) -> int:
        """Return the length of its language model's context window, in tokens."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of its hidden states."""
        return self.model.dtype

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return its tokenizer."""
        return self.processor.tokenizer

    def encode_text(self, text: str) -> list[int]:
        """Tokenize a text, without special tokens; control tokens in it are ordinary text."""
        return encode_plain(self.tokenizer, text)

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """Convert an image and its caption to the token ids and pixels of a chat.

        Args:
            image: the image, with its caption if it has one.
            system_turn: start the chat with an empty system turn, as in the reference implementation.

        Raises:
            ContextError: if the processor fails on it, or it does not fit the model's context window.
        """
        try:
            inputs = self._processed(image, system_turn=system_turn)
        except Exception as error:  # processors raise all kinds of exceptions on unusual images
            size = f"{image.image.width} x {image.image.height}"
            raise ContextError(
                f"image {image.name} of {size} pixels cannot be encoded by {self.name} ({_reason(error)}); scale it "
                "to an ordinary size"
            ) from error
        num_tokens = inputs["input_ids"].shape[1]
        if num_tokens > self.window_tokens:
            raise ContextError(
                f"image {image.name} becomes {num_tokens} tokens, more than the window of context encoder "
                f"{self.name} ({self.window_tokens}); scale it down or shorten its caption"
            )
        return ImageChunk(inputs, num_tokens)

    @torch.no_grad()
    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Encode texts or images independently of each other; see `ContextEncoder.encode`."""
        if not isinstance(chunks[0], ImageChunk):
            input_ids, mask = pad_chunks(chunks)
            states = self._states({"input_ids": input_ids, "attention_mask": mask}, kind, num_layers)
            return EncodedContexts(states, mask.bool().to(states.device))
        images = [chunk for chunk in chunks if isinstance(chunk, ImageChunk)]
        found: dict[int, Tensor] = {}
        for group in _of_one_shape(images):
            inputs = {name: torch.cat([images[i].inputs[name] for i in group]) for name in images[group[0]].inputs}
            found |= zip(group, self._states(inputs, kind, num_layers), strict=True)
        lengths = torch.tensor([len(image) for image in images])
        longest = int(lengths.max())
        padded = [nn.functional.pad(found[i], (0, 0, 0, longest - len(image))) for i, image in enumerate(images)]
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        return EncodedContexts(torch.stack(padded), mask.to(self.model.device))

    @cached_property
    def _decoder(self) -> nn.Module:
        return cast(nn.Module, self.model.get_decoder())

    @cached_property
    def _activation_hooks(self) -> ActivationHooks:
        return ActivationHooks(list(cast(nn.ModuleList, self._decoder.layers)), {})

    def _processed(self, image: ImageContext, *, system_turn: bool) -> dict[str, Tensor]:
        caption = [{"type": "text", "text": image.caption}] if image.caption else []
        if getattr(self.processor, "chat_template", None):
            user_turn = {"role": "user", "content": [{"type": "image", "image": image.image}, *caption]}
            empty_system_turn = {"role": "system", "content": [{"type": "text", "text": ""}]}
            inputs = self.processor.apply_chat_template(
                [empty_system_turn, user_turn] if system_turn else [user_turn],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            text = f"{self.processor.image_token} {image.caption}".strip()
            inputs = self.processor(images=[image.image], text=[text], return_tensors="pt")
        return {name: value for name, value in inputs.items() if isinstance(value, Tensor)}

    def _states(self, inputs: Mapping[str, Tensor], kind: EncoderKind, num_layers: int) -> Tensor:
        """Return the hidden states of a batch of inputs with the same shape."""
        on_device = {
            name: value.to(self.model.device, self.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        headless = cast(nn.Module, self.model.base_model)

        def output() -> Tensor:
            return headless(**on_device, use_cache=False).last_hidden_state

        def inputs_of(depths: Sequence[int]) -> Mapping[int, Tensor]:
            return self._activation_hooks.run(output, layers=depths).states

        blocks = Blocks(self.num_layers, inputs_of, output, cast(nn.Module, self._decoder.norm))
        return chosen_states(blocks, kind, num_layers)


def load_vision_encoder(
    name: str, *, dtype: torch.dtype, device: torch.device, quantized: bool = False
) -> VisionEncoder:
    """Load a vision-language model.

    Args:
        name: hub id or folder.
        dtype: dtype of the weights.
        device: device of the weights.
        quantized: load the weights in 4 bits; CUDA only.

    Raises:
        BaseModelError: if its files cannot be found, downloaded or read.
        ContextError: if it is not a vision-language model, or its processor cannot be loaded.
    """
    folder = resolve_base(name)
    kind = architecture(name, folder)
    if not is_vision_language(kind):
        raise ContextError(
            f"context encoder {name!r} is of kind {kind}, which is not a vision-language model; give one such as "
            "Gemma 3 or SmolVLM"
        )
    processor = _load_processor(name, folder)
    model = load_weights(AutoModelForImageTextToText, name, folder, dtype=dtype, device=device, quantized=quantized)
    return VisionEncoder(model, processor, name)


def architecture(name: str, folder: Path) -> str:
    """Read the architecture of a model from its config, such as `Gemma3ForConditionalGeneration`.

    Raises:
        BaseModelError: if the config cannot be read.
    """
    with reading("config.json", name, folder):
        return (AutoConfig.from_pretrained(folder).architectures or ["unknown"])[0]


def is_vision_language(kind: str) -> bool:
    """Return whether an architecture is a vision-language model of transformers."""
    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values()


def _load_processor(name: str, folder: Path) -> Any:
    """Load the processor, with images preprocessed by Pillow, so that torchvision is not needed."""
    with reading("config.json", name, folder):
        model_type = AutoConfig.from_pretrained(folder).model_type
    try:
        if model_type == "smolvlm":  # its own processor needs additional packages for videos
            return Idefics3Processor(
                AutoImageProcessor.from_pretrained(folder, backend="pil"),
                AutoTokenizer.from_pretrained(folder),
                **_processor_settings(folder),
            )
        return AutoProcessor.from_pretrained(folder, backend="pil")
    except ImportError as error:
        raise ContextError(
            f"the processor of context encoder {name!r} needs a package that is not installed "
            f"({first_line(error)}); install it with pip"
        ) from error
    except Exception as error:  # readers raise all kinds of exceptions on damaged files
        raise ContextError(
            f"the processor of context encoder {name!r} in {folder} cannot be read ({_reason(error)}); download it "
            "again"
        ) from error


def _processor_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of Idefics3's processor: the number of tokens per image and the chat template."""
    settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    template = folder / "chat_template.jinja"
    arguments: dict[str, Any] = {"image_seq_len": settings["image_seq_len"]} if "image_seq_len" in settings else {}
    if template.is_file():
        arguments["chat_template"] = template.read_text(encoding="utf-8")
    elif (folder / "chat_template.json").is_file():
        arguments |= json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))
    return arguments


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _of_one_shape(images: Sequence[ImageChunk]) -> list[list[int]]:
    """Group the indices of images whose inputs have the same shapes, so that each group can be a batch."""
    groups: dict[tuple, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(tuple((name, tuple(value.shape)) for name, value in image.inputs.items()), []).append(i)
    return list(groups.values())
