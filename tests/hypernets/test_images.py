"""Images through a hypernetwork: encoder -> adapter -> answers, whichever encoder it is."""

from pathlib import Path

import pytest
import torch
from contexts.encoders.test_vision import noise
from tiny import tiny_base
from tiny_lorify import tiny_lorify
from tiny_vlm import WIDTH, save_tiny_vlm

from lorify.adapters import build_lora_batch
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.contexts.encoders.patches import PatchGrid
from lorify.contexts.images import read_image
from lorify.errors import ContextError, HypernetworkError
from lorify.facade import Lorify
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.registry import load_internalizer

GRID = PatchGrid(image_size=8, patch_size=4)


def save_random(folder: Path, base: BaseLM, encoder: ContextEncoderConfig, **changes) -> Path:
    """A hypernetwork of random weights, of which none is zero."""
    fields = {"num_layers": base.num_layers, "rank": 2, "scaling": 4.0, "latent_size": 16, "num_latents": 2}
    fields |= {"num_blocks": 1, "num_heads": 2, "num_kv_heads": 1, "head_size": 8, "chunk_tokens": 60} | changes
    first = int(fields.get("first_layer", 0))
    config = PerceiverConfig(
        base_name=base.name,
        base_digest=base.digest,
        encoder=encoder,
        modules=adapted_modules(base, range(first, first + int(fields["num_layers"])), ["down_proj"]),
        **fields,
    )
    torch.manual_seed(5)
    hypernetwork = PerceiverHypernetwork(config)
    for parameter in hypernetwork.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    DOC_TO_LORA.save(folder, config, hypernetwork)
    return folder


def of_vlm(folder: Path, num_layers: int, **changes) -> ContextEncoderConfig:
    fields = {"model_name": str(folder), "num_layers": num_layers, "feature_size": WIDTH} | changes
    return ContextEncoderConfig(**fields)


def of_patches(**changes) -> ContextEncoderConfig:
    fields = {"kind": "patches", "num_layers": 0, "feature_size": GRID.feature_size, "patches": GRID} | changes
    return ContextEncoderConfig(**fields)


def logits(model: Lorify, adapter) -> torch.Tensor:
    with torch.no_grad(), model.base.hooks.applied(build_lora_batch([adapter], model.base)):
        return model.base.model(input_ids=torch.arange(3, 20).unsqueeze(0)).logits


@pytest.fixture(scope="module", params=["gemma3", "idefics3", "patches"])
def model(request, tmp_path_factory) -> Lorify:
    """A base of two blocks with an encoder of four, of which the first two are read; or with patches."""
    base, folder = tiny_base(), tmp_path_factory.mktemp("hypernets")
    if request.param == "patches":
        save_random(folder / "hypernetwork", base, of_patches())
    else:
        vlm = save_tiny_vlm(folder / "vlm", request.param, num_layers=4)
        save_random(folder / "hypernetwork", base, of_vlm(vlm, base.num_layers))
    return Lorify(base, load_internalizer(base, folder / "hypernetwork"))


def test_the_base_answers_with_what_an_image_became(model, tmp_path):
    noise(0).save(tmp_path / "photo.png")
    adapter = model.internalize(tmp_path / "photo.png")
    assert [record.name for record in adapter.provenance.documents] == ["photo.png"]
    assert adapter.provenance.documents[0].num_tokens >= 4
    other = model.internalize(noise(1))  # from memory
    assert (logits(model, adapter) - logits(model, None)).abs().max() > 1e-3
    assert (logits(model, adapter) - logits(model, other)).abs().max() > 1e-4
    assert isinstance(model.ask("What is in the image?", adapter, max_new_tokens=4), str)
    model.save(adapter, tmp_path / "adapter")
    torch.testing.assert_close(logits(model, model.load_adapter(tmp_path / "adapter")), logits(model, adapter))


def test_images_come_and_go_like_documents(model):
    one, two = read_image(noise(0), name="one"), read_image(noise(1), name="two")
    both = model.internalize(one, two)
    torch.testing.assert_close(logits(model, model.remove(both, "one")), logits(model, model.internalize(two)))
    torch.testing.assert_close(logits(model, model.add(model.internalize(one), two)), logits(model, both))


def test_a_vision_language_encoder_reads_texts_beside_images(tmp_path):
    base = tiny_base()
    vlm = save_tiny_vlm(tmp_path / "vlm", "idefics3")
    seeing = Lorify(base, load_internalizer(base, save_random(tmp_path / "hypernetwork", base, of_vlm(vlm, 2))))
    adapter = seeing.internalize(noise(0), document_from_text("The mill opens at nine.", "mill"))
    assert [record.name for record in adapter.provenance.documents] == ["image", "mill"]
    assert adapter.provenance.documents[1].num_tokens == len("The mill opens at nine.")


def test_only_the_blocks_that_are_meant_are_adapted(tmp_path):
    base = tiny_base(num_layers=4)
    folder = save_random(tmp_path / "hypernetwork", base, of_patches(), num_layers=2, first_layer=1)
    model = Lorify(base, load_internalizer(base, folder))
    both = model.internalize(noise(0), read_image(noise(1), name="two"))
    assert sorted(layer for layer, _ in both.weights) == [1, 2]
    torch.testing.assert_close(logits(model, model.remove(both, "two")), logits(model, model.internalize(noise(0))))


def test_what_reads_no_images_says_so(tmp_path):
    wanted = r"photo.png is an image, but hypernetwork .* reads text only; images need a hypernetwork"
    noise(0).save(tmp_path / "photo.png")
    with pytest.raises(ContextError, match=wanted):
        tiny_lorify().internalize(tmp_path / "photo.png")
    base = tiny_base()
    encoder = ContextEncoderConfig(num_layers=2, feature_size=base.hidden_size)
    with pytest.raises(ContextError, match=wanted):
        Lorify(base, load_internalizer(base, save_random(tmp_path / "h", base, encoder))).internalize(
            tmp_path / "photo.png"
        )


def test_patches_are_of_images_only(tmp_path):
    base = tiny_base()
    model = Lorify(base, load_internalizer(base, save_random(tmp_path / "hypernetwork", base, of_patches())))
    with pytest.raises(ContextError, match="reads images only"):
        model.internalize(document_from_text("The mill opens at nine."))


def test_an_encoder_with_too_few_blocks_is_refused(tmp_path):
    base = tiny_base(num_layers=5)
    vlm = save_tiny_vlm(tmp_path / "vlm", "idefics3", num_layers=3)
    folder = save_random(tmp_path / "hypernetwork", base, of_vlm(vlm, 5))
    with pytest.raises(HypernetworkError, match=r"reads 5 blocks, but context encoder .* has 3"):
        load_internalizer(base, folder)


def test_an_encoder_of_patches_needs_a_matching_config():
    with pytest.raises(ValueError, match="patches goes with an encoder of kind patches"):
        of_patches(patches=None)
    with pytest.raises(ValueError, match="feature_size is 7, but a patch has 20"):
        of_patches(feature_size=7)
