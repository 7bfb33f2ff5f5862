from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_base, tiny_model, tiny_tokenizer
from tiny_vlm import WIDTH, save_tiny_vlm

from lorify.contexts.encoders.encoding import context_affixes
from lorify.contexts.encoders.loading import load_encoder, read_encoder_spec
from lorify.contexts.encoders.vision import VisionEncoder, load_vision_encoder
from lorify.contexts.images import read_image
from lorify.errors import BaseModelError, ContextError


def noise(seed: int, width=30, height=20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype="uint8"))


@pytest.fixture(scope="module", params=["gemma3", "idefics3", "smolvlm"])
def encoder(request, tmp_path_factory) -> VisionEncoder:
    folder = save_tiny_vlm(tmp_path_factory.mktemp("vlm") / request.param, request.param)
    return load_vision_encoder(str(folder), dtype=torch.float32, device=torch.device("cpu"))


def test_the_states_are_those_of_the_model_itself(encoder):
    chunk = encoder.image_chunk(read_image(noise(0), caption="a cat"))
    with torch.no_grad():
        wanted = torch.stack(encoder.model(**chunk.inputs, output_hidden_states=True).hidden_states, dim=1)
    found = encoder.encode([chunk], kind="per_layer_activations", num_layers=encoder.num_layers + 1)
    assert found.states.shape == (1, 4, len(chunk), WIDTH)
    torch.testing.assert_close(found.states, wanted)
    # A truncated model normalizes its last output.
    cut = encoder.encode([chunk], kind="per_layer_activations", num_layers=3).states
    torch.testing.assert_close(cut[:, :2], wanted[:, :2])
    torch.testing.assert_close(cut[:, 2], encoder.model.get_decoder().norm(wanted[:, 2]))
    early = encoder.encode([chunk], kind="early_exit", num_layers=2).states
    torch.testing.assert_close(early, cut[:, 2])
    assert not found.states.requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


def test_images_of_a_batch_do_not_influence_each_other(encoder):
    images = [read_image(noise(0)), read_image(noise(1), caption="two boats"), read_image(noise(2, 8, 40))]
    chunks = [encoder.image_chunk(image) for image in images]
    together = encoder.encode(chunks, kind="per_layer_activations", num_layers=2)
    assert together.mask.sum(1).tolist() == [len(chunk) for chunk in chunks]
    for i, chunk in enumerate(chunks):
        alone = encoder.encode([chunk], kind="per_layer_activations", num_layers=2).states[0]
        torch.testing.assert_close(together.states[i, :, : len(chunk)], alone)
    difference = together.states[0, :, : len(chunks[0])] - together.states[2, :, : len(chunks[0])]
    assert difference.abs().max() > 1e-3  # other images have other features


@pytest.mark.parametrize("system_turn", [False, True])
def test_an_image_takes_the_place_of_a_text_in_a_chat(encoder, system_turn):
    prefix, suffix = context_affixes(encoder.tokenizer, system_turn=system_turn)
    ids = encoder.image_chunk(read_image(noise(0)), system_turn=system_turn).inputs["input_ids"][0].tolist()
    assert ("system" in encoder.tokenizer.decode(ids)) == system_turn
    assert tuple(ids[: len(prefix)]) == prefix
    assert tuple(ids[-len(suffix) :]) == suffix
    assert ids.count(encoder.model.config.image_token_id) == 4


def test_texts_are_encoded_too(encoder):
    texts = [encoder.encode_text(text) for text in ("The mill opens at nine.", "A boat.")]
    together = encoder.encode(texts, kind="per_layer_activations", num_layers=2)
    alone = encoder.encode(texts[1:], kind="per_layer_activations", num_layers=2)
    torch.testing.assert_close(together.states[1, :, : len(texts[1])], alone.states[0])


def test_a_text_only_model_is_refused(tmp_path):
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    with pytest.raises(ContextError, match="is of kind LlamaForCausalLM, which is not a vision-language model"):
        load_vision_encoder(str(tmp_path / "base"), dtype=torch.float32, device=torch.device("cpu"))
    assert not load_encoder(tiny_base(), str(tmp_path / "base")).reads_images


def test_errors_name_damaged_folders(tmp_path):
    folder = save_tiny_vlm(tmp_path / "vlm", "idefics3")
    device = torch.device("cpu")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:2000])
    with pytest.raises(BaseModelError, match=r"weights of base model .* cannot be read"):
        load_vision_encoder(str(folder), dtype=torch.float32, device=device)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "processor_config.json").write_text("{")
    with pytest.raises(ContextError, match=r"the processor of context encoder .* cannot be read"):
        load_vision_encoder(str(folder), dtype=torch.float32, device=device)


def test_an_image_longer_than_the_window_is_refused(tmp_path):
    folder = save_tiny_vlm(tmp_path / "vlm", "idefics3", window=24)
    encoder = load_vision_encoder(str(folder), dtype=torch.float32, device=torch.device("cpu"))
    with pytest.raises(ContextError, match="becomes 26 tokens, more than the window"):
        encoder.image_chunk(read_image(noise(0)))


def test_files_in_other_formats_give_the_same_features(encoder):
    chunks = []
    for form in ("png", "webp"):
        data = BytesIO()
        noise(4).save(data, format=form, lossless=True)
        chunks.append(encoder.image_chunk(read_image(Image.open(data))))
    torch.testing.assert_close(chunks[0].inputs["pixel_values"], chunks[1].inputs["pixel_values"])


@pytest.mark.parametrize("kind", ["gemma3", "idefics3", "smolvlm"])
def test_its_files_tell_what_the_loaded_encoder_is(tmp_path, kind):
    folder = str(save_tiny_vlm(tmp_path, kind, num_layers=5))
    about, loaded = read_encoder_spec(tiny_base(), folder), load_encoder(tiny_base(), folder)
    assert (about.num_layers, about.window_tokens) == (loaded.num_layers, loaded.window_tokens) == (5, 256)
    affixes = [context_affixes(encoder.tokenizer, system_turn=True) for encoder in (about, loaded)]
    assert affixes[0] == affixes[1] and affixes[0][0]
