"""Context encoders in 4 bits, by bitsandbytes."""

import sys
from pathlib import Path

import pytest
import torch
from tiny import tiny_base, tiny_model, tiny_tokenizer

from lorify.base.loading import load_base
from lorify.contexts.encoders.encoding import TextEncoder
from lorify.contexts.encoders.loading import load_encoder
from lorify.errors import BaseModelError


@pytest.fixture
def base_dir(tmp_path: Path) -> Path:
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def test_without_cuda_training_says_what_it_takes():
    with pytest.raises(
        BaseModelError, match=r"needs CUDA, but the base is on cpu; .*pip install 'lorify\[quantized\]'"
    ):
        load_encoder(tiny_base(), None, quantized=True, training=True)


def test_without_the_package_there_is_a_way_out(base_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(BaseModelError, match=r"cannot be loaded in 4 bits .*pip install 'lorify\[quantized\]'"):
        load_base(str(base_dir), quantized=True)


@pytest.mark.gpu
def test_an_encoder_in_4_bits_gives_nearly_the_same_features(base_dir):
    pytest.importorskip("bitsandbytes")
    base = load_base(str(base_dir), device="cuda", dtype=torch.bfloat16)
    exact, quantized = (load_encoder(base, str(base_dir), quantized=in_4_bits) for in_4_bits in (False, True))
    assert isinstance(exact, TextEncoder) and isinstance(quantized, TextEncoder)
    # Two weights a byte: half as many numbers are stored.
    sizes = [encoder.model.linear(0, "down_proj").weight.numel() for encoder in (exact, quantized)]
    assert sizes[1] * 2 == sizes[0]
    chunk = base.encode_text("The mill opens at nine. Ada keeps bees there.")
    wanted, found = (
        encoder.encode([chunk], kind="per_layer_activations", num_layers=2).states.float()
        for encoder in (exact, quantized)
    )
    assert torch.cosine_similarity(found, wanted, dim=-1).min() > 0.9
    assert (found - wanted).abs().max() > 0
