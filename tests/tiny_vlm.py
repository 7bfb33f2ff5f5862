"""Tiny random vision-language models with their processors, as folders in Hugging Face form."""

from pathlib import Path

import torch
from tiny import tiny_tokenizer
from transformers import (
    AutoModelForImageTextToText,
    Gemma3Config,
    Gemma3Processor,
    Idefics3Config,
    Idefics3Processor,
    SmolVLMConfig,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

WIDTH = 24
IMAGE_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}PLACE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 40,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 12,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VISION = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_tiny_vlm(folder: Path, kind: str, *, num_layers: int = 3, window: int = 256) -> Path:
    """Write a model of kind `gemma3`, `idefics3` or `smolvlm` with its processor; images become 4 tokens each."""
    build = _gemma3 if kind == "gemma3" else _idefics3
    config, processor = build(kind, {**TEXT, "num_hidden_layers": num_layers, "max_position_embeddings": window})
    torch.manual_seed(3)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    if kind == "gemma3":  # starts at zero, and would show nothing of an image
        torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _gemma3(_kind: str, text: dict):
    tokens = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"}
    plain = tiny_tokenizer()
    tokenizer = type(plain)(
        tokenizer_object=plain.backend_tokenizer,
        bos_token=plain.bos_token,
        eos_token=plain.eos_token,
        pad_token=plain.pad_token,
        extra_special_tokens=tokens,
    )
    template = IMAGE_TEMPLATE.replace("PLACE", "<boi>")
    size = {"height": 16, "width": 16}
    processor = Gemma3Processor(Gemma3ImageProcessorPil(size=size), tokenizer, template, image_seq_length=4)
    config = Gemma3Config(
        text_config={**text, "vocab_size": 280, "query_pre_attn_scalar": 12},
        vision_config={**VISION, "image_size": 16, "patch_size": 4, "vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<img>"),
        boi_token_id=tokenizer.convert_tokens_to_ids("<boi>"),
        eoi_token_id=tokenizer.convert_tokens_to_ids("<eoi>"),
    )
    return config, processor


def _idefics3(kind: str, text: dict):
    tokenizer = tiny_tokenizer()
    names = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<row_1_col_1>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    image_processor = Idefics3ImageProcessorPil if kind == "idefics3" else SmolVLMImageProcessorPil
    images = image_processor(size={"longest_edge": 16}, max_image_size={"longest_edge": 16}, do_image_splitting=False)
    template = IMAGE_TEMPLATE.replace("PLACE", "<image>")
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    config = (Idefics3Config if kind == "idefics3" else SmolVLMConfig)(
        text_config={**text, "model_type": "llama", "vocab_size": 280},
        vision_config={**VISION, "image_size": 16, "patch_size": 4},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    return config, processor
