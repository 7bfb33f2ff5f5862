import random
from functools import cache

import pytest
import torch
from hypernets.system_prompt.test_network import fitted, shape_for
from safetensors.torch import load_file, save_file
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.errors import HypernetworkError
from lorify.hub import HubAddress
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.checkpoint import LoadedHypernetwork, hypernetwork_digest
from lorify.hypernets.model_card import describe_folder
from lorify.hypernets.registry import weights_bytes
from lorify.hypernets.system_prompt.description_reader import DescriptionReader
from lorify.hypernets.system_prompt.key_values import (
    FILE_NAME,
    KEY_MODULE,
    KeyValueWriter,
    key_values_of,
    load_writer,
    save_writer,
)
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.system_prompt.network import SystemMessageHypernetwork
from lorify.hypernets.system_prompt.solve_key_values import SampleChats, solve_key_values
from lorify.hypernets.system_prompt.specializer import SystemMessageSpecializer, load_system_message_specializer

BASE = tiny_base(num_layers=6, hidden_size=192, system_message=True)
ENCODER = BaseEncoder(BASE)
LAYERS = (2, 3, 4, 5)
ABOVE = range(4, 6)
"""Blocks in which keys and values are overwritten: the written one is 1, the slots are marked in 2, the gate is 3."""
LONG = "Write all that I send you in capital letters, with a full stop at the end, and say nothing else."
CONFIG = shape_for(
    BASE,
    layers=LAYERS,
    modules=adapted_modules(BASE, LAYERS, ["q_proj", "k_proj", "v_proj", "down_proj"]),
    embedder_name=ENCODER.name,
    embedder_digest=ENCODER.digest,
    embedding_size=ENCODER.size,
)


def sample_chats(base: BaseLM) -> list[SampleChats]:
    rng = random.Random(0)
    batches = []
    for _ in range(4):
        texts = ["".join(rng.choices("abcdefghij klmnop. Y", k=40)) for _ in range(8)]
        ids = torch.tensor([build_prompt_ids(base.tokenizer, question_messages(text)) for text in texts])
        positions = torch.arange(ids.shape[1]).expand_as(ids)
        batches.append(SampleChats([f"{LONG} {text}" for text in texts], ids, torch.ones_like(ids), positions))
    return batches


@cache
def solved() -> tuple[SystemMessageHypernetwork, KeyValueWriter]:
    hypernetwork = fitted(CONFIG, BASE)
    torch.nn.init.normal_(hypernetwork.shared.B["k_proj"], std=0.02)
    writer = solve_key_values(BASE, hypernetwork, DescriptionReader(BASE, ENCODER, CONFIG), sample_chats(BASE))
    assert writer is not None
    return hypernetwork, writer


def specializer(*, with_writer: bool = True) -> SystemMessageSpecializer:
    hypernetwork, writer = solved()
    return SystemMessageSpecializer(
        BASE, CONFIG, hypernetwork, ENCODER, "whole", "e" * 64, writer if with_writer else None
    )


def slot_key_values(adapter, ids):
    """Keys and values that the slots of a chat have with an adapter."""
    lora = build_lora_batch([adapter], BASE)
    seen = BASE.activations(torch.tensor([ids]), None, layers=list(ABOVE), module=KEY_MODULE, lora=lora).inputs
    slots = {layer: found[0, 1 : 1 + CONFIG.num_slots] for layer, found in seen.items()}
    return key_values_of(BASE, slots, ABOVE, lora)


def relative(found, wanted):
    return ((found - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("text", ["How high?", "You are tiny. system You are"])
def test_the_slots_of_a_long_description_get_the_keys_and_values_of_the_whole_description(text, tmp_path):
    writer = specializer()
    save_adapter(writer.specialize(LONG), tmp_path / "adapter")
    found = slot_key_values(
        load_adapter(tmp_path / "adapter"), build_prompt_ids(BASE.tokenizer, question_messages(text))
    )
    reader = DescriptionReader(BASE, ENCODER, CONFIG)
    soft = writer.hypernetwork.soft_states(reader.read([LONG]))[0]
    wanted = reader.read_whole(reader.tokenize(LONG), soft, writer.hypernetwork.shared_updates(), ABOVE)
    assert relative(found.keys, wanted.keys) < 0.05 and relative(found.values, wanted.values) < 0.05


def test_words_that_have_no_slot_count_too():
    writer = specializer()
    one, other = LONG, LONG.replace("Write", "Paint")
    reader = DescriptionReader(BASE, ENCODER, CONFIG)
    # Only the last tokens have a slot, as none is common.
    kept = [
        [reader.tokens(text)[i] for i in reader.important_positions(reader.tokens(text), 18)] for text in (one, other)
    ]
    assert kept[0] == kept[1]
    ids = build_prompt_ids(BASE.tokenizer, question_messages("How high?"))
    first, second = (slot_key_values(writer.specialize(text), ids) for text in (one, other))
    assert relative(first.values, second.values) > 1e-3


def test_a_long_description_is_tokenized_once(monkeypatch):
    tokenized = []
    tokens = DescriptionReader.tokens
    monkeypatch.setattr(DescriptionReader, "tokens", lambda self, text: tokenized.append(text) or tokens(self, text))
    specializer().specialize(LONG)
    assert tokenized == [LONG]


def test_a_description_that_fits_the_slots_is_written_as_before():
    with_writer, without = (specializer(with_writer=flag).specialize("Say red.") for flag in (True, False))
    assert set(with_writer.weights) == set(without.weights)
    assert all(torch.equal(pair.B, without.weights[key].B) for key, pair in with_writer.weights.items())


def test_the_writer_of_keys_and_values_is_kept_beside_the_weights_and_bound_to_them(tmp_path):
    hypernetwork, writer = solved()
    SYSTEM_PROMPT.save(
        tmp_path,
        CONFIG,
        hypernetwork,
        write_more=lambda folder: save_writer(writer, folder, hypernetwork_digest(folder)),
    )
    digest = hypernetwork_digest(tmp_path)
    config, network = SYSTEM_PROMPT.load(tmp_path)
    loaded = load_system_message_specializer(
        BASE, LoadedHypernetwork(tmp_path, digest, config.model_copy(update={"embedder_name": "base"}), network)
    )
    assert loaded.writer is not None and torch.equal(loaded.writer.A, writer.A)
    assert loaded.rank >= max(pair.rank for pair in loaded.specialize(LONG).weights.values())
    assert weights_bytes(tmp_path) == sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    assert FILE_NAME in describe_folder(tmp_path, HubAddress("someone/tasks"), None).files
    with pytest.raises(HypernetworkError, match="was made for other weights"):
        load_writer(tmp_path, "0" * 64, CONFIG, BASE)
    tensors = load_file(tmp_path / FILE_NAME)
    cut = tensors | {"A": tensors["A"][:, :5].contiguous()}
    save_file(cut, tmp_path / FILE_NAME, metadata={"hypernetwork": digest})
    with pytest.raises(HypernetworkError, match=r"is damaged .*A is"):
        load_writer(tmp_path, digest, CONFIG, BASE)
    for neuron in (-1, CONFIG.written_size):
        elsewhere = tensors | {"neurons": torch.full_like(tensors["neurons"], neuron)}
        save_file(elsewhere, tmp_path / FILE_NAME, metadata={"hypernetwork": digest})
        with pytest.raises(
            HypernetworkError, match=rf"is damaged \(it has neurons {neuron} to {neuron}, expected 0 to"
        ):
            load_writer(tmp_path, digest, CONFIG, BASE)
    SYSTEM_PROMPT.save(tmp_path, CONFIG, hypernetwork)
    assert load_writer(tmp_path, digest, CONFIG, BASE) is None


def test_bases_without_a_block_above_the_gate_write_descriptions_as_before():
    base = tiny_base(num_layers=4, system_message=True)
    config = config_for(base)
    reader = DescriptionReader(base, BaseEncoder(base), config)
    assert solve_key_values(base, SystemMessageHypernetwork(config), reader, sample_chats(base)) is None


def config_for(base: BaseLM):
    encoder = BaseEncoder(base)
    return shape_for(base, embedder_name=encoder.name, embedder_digest=encoder.digest)
