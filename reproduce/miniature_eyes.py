"""A small vision-language encoder with random weights, and a few images in the folders of Imagenette.

They stand in for gemma-3-4b-it and for the images, which would have to be downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from transformers import AutoConfig, AutoTokenizer, Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from lorify.base.files.locate import resolve_base
from lorify.evaluation.suites.imagenette import IMAGENETTE_CLASSES

IMAGE_TOKENS = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}<boi>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGE_SIZE = 16
COLOURS = ("red", "green")


def write_eyes(folder: Path, base: str) -> None:
    """Write `encoder` with as many blocks as the base, and `images`.

    Args:
        folder: where to write.
        base: the base, whose tokenizer the encoder uses.
    """
    source = resolve_base(base)
    tokenizer = AutoTokenizer.from_pretrained(source, extra_special_tokens=IMAGE_TOKENS)
    blocks = AutoConfig.from_pretrained(source).num_hidden_layers
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in IMAGE_TOKENS.items()}
    text = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    text |= {"head_dim": 16, "query_pre_attn_scalar": 16, "num_hidden_layers": blocks, "vocab_size": len(tokenizer)}
    text |= {"max_position_embeddings": 8192, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    vision = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": IMAGE_SIZE, "patch_size": 4, "vision_use_head": False}
    config = Gemma3Config.from_dict(
        {"text_config": text, "vision_config": vision, "mm_tokens_per_image": 4}
        | {f"{name}_id": number for name, number in ids.items()}
    )
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder / "encoder")
    images = Gemma3ImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    Gemma3Processor(images, tokenizer, TEMPLATE, image_seq_length=4).save_pretrained(folder / "encoder")
    for colour, wnid in zip(COLOURS, IMAGENETTE_CLASSES, strict=False):
        path = folder / "images" / wnid / f"{colour}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), colour).save(path)
