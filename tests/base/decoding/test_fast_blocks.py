"""The blocks written on weight tensors against those of transformers, through the decoding that uses them."""

import pytest
import torch
from adapters.random_adapters import random_adapter
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.base.architectures import ARCHITECTURES
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions

FAMILIES = ["llama", "mistral", "qwen2", "qwen3"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("adapted", [False, True])
@torch.no_grad()
def test_greedy_answers_are_those_of_the_model(family: str, adapted: bool) -> None:
    base = tiny_base(family)
    assert ARCHITECTURES[type(base.model).__name__].has_fast_decoding
    lora = build_lora_batch([random_adapter(base, keys=tuple(base.linear_keys))], base) if adapted else None
    prompt = [1, 7, 8, 9]
    (answer,) = generate_batch(base, [prompt], GenerationOptions(6), lora=lora, stop_ids=set())
    ids = list(prompt)
    with base.hooks.applied(lora):
        for token in answer:
            assert base.model(torch.tensor([ids])).logits[0, -1].argmax() == token
            ids.append(token)
