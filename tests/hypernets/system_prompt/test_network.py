import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base, tiny_tokenizer

from lorify.adapters import AdapterStack, build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.errors import HypernetworkError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.description_reader import DescriptionReader, most_common_tokens
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.system_prompt.network import SystemMessageHypernetwork
from lorify.hypernets.system_prompt.slots import find_slots, fit_slots
from lorify.hypernets.system_prompt.specializer import SystemMessageSpecializer

BASE = tiny_base(num_layers=3, system_message=True)
QUESTION = question_messages("How high?")
WRITTEN = 1
ENCODER = BaseEncoder(BASE)
EMBEDDED = 2
FIELDS = {"rank": 2, "lora_alpha": 4.0, "use_rslora": True, "filler": 2, "common_tokens": ()}


def shape_for(base: BaseLM, **fields) -> SystemMessageConfig:
    chat_start, num_slots = find_slots(base)
    own = {
        "base_name": base.name,
        "base_digest": base.digest,
        "chat_start": chat_start,
        "num_slots": num_slots,
        "embedded_slots": EMBEDDED,
        "embedder_name": ENCODER.name,
        "embedder_digest": ENCODER.digest,
        "embedding_size": ENCODER.size,
        "written_layer": WRITTEN,
        "written_size": base.linear(WRITTEN, "down_proj").in_features,
        "hidden_size": base.hidden_size,
        "layers": (2,),
        "modules": adapted_modules(base, [2], ["q_proj", "down_proj"]),
    }
    return SystemMessageConfig.model_validate(own | FIELDS | fields)


def fitted(config: SystemMessageConfig, base: BaseLM = BASE) -> SystemMessageHypernetwork:
    """A hypernetwork whose slots are told from all that one question has; its LoRA for all tasks does nothing yet."""
    ids = torch.tensor([build_prompt_ids(base.tokenizer, QUESTION)])
    with base.activation_hooks.recorded_inputs([WRITTEN], "down_proj") as inputs, torch.no_grad():
        base.decoder(input_ids=ids)
    x, end = inputs[WRITTEN][0], 1 + config.num_slots
    torch.manual_seed(0)
    hypernetwork = SystemMessageHypernetwork(config)
    question_states = x[len(config.chat_start) :]
    hypernetwork.slot_A.copy_(fit_slots(x[1:end], torch.cat([x[:1], x[end : len(config.chat_start)]]), question_states))
    return hypernetwork


def specializer() -> SystemMessageSpecializer:
    config = shape_for(BASE)
    return SystemMessageSpecializer(BASE, config, fitted(config), ENCODER, "placed", "e" * 64)


def test_slots_are_the_system_message_without_the_first_token_and_what_begins_the_users_turn():
    chat_start, num_slots = find_slots(BASE)
    assert BASE.tokenizer.decode(chat_start) == "<|im_start|>system\nYou are tiny.<|im_end|>\n<|im_start|>user\n"
    assert BASE.tokenizer.decode(chat_start[1 : 1 + num_slots]) == "system\nYou are tiny."


@pytest.mark.parametrize("template", [tiny_tokenizer().chat_template, None])
def test_bases_whose_chats_have_no_system_message_of_their_own_are_refused(template):
    base = tiny_base()
    base.tokenizer.chat_template = template
    with pytest.raises(HypernetworkError, match="have no default system message"):
        find_slots(base)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), slots=st.integers(1, 6), others=st.integers(1, 9))
def test_each_slot_is_answered_alone_and_nothing_else(seed, slots, others):
    x = torch.randn(slots + 2 + others, 24, generator=torch.Generator().manual_seed(seed))
    A = fit_slots(x[:slots], x[slots : slots + 2], x[slots + 2 :])
    torch.testing.assert_close(x[:slots] @ A.T, torch.eye(slots), rtol=0, atol=1e-2)
    torch.testing.assert_close(x[slots:] @ A.T, torch.zeros(2 + others, slots), rtol=0, atol=2e-2)


@pytest.mark.parametrize("description", ["Say red.", "Answer in capital letters, with a full stop."])
@torch.no_grad()
def test_the_base_goes_on_as_if_the_description_stood_in_the_system_message(description):
    config = shape_for(BASE)
    prompt = torch.tensor([build_prompt_ids(BASE.tokenizer, QUESTION)])
    writer = specializer()
    with BASE.hooks.applied(build_lora_batch([writer.specialize(description)], BASE)):
        with_adapter = BASE.model(input_ids=prompt).logits[0, -1]
    read = DescriptionReader(BASE, ENCODER, config).read([description])
    difference = writer.hypernetwork(read)[WRITTEN, "down_proj"].B[0]  # [slots, hidden]

    def replace_states(_module, _inputs, output):
        states = output[0] if isinstance(output, tuple) else output
        states[0, 1 : 1 + config.num_slots] += difference

    handle = BASE.blocks[WRITTEN].register_forward_hook(replace_states)
    replaced = BASE.model(input_ids=prompt).logits[0, -1]
    handle.remove()
    plain = BASE.model(input_ids=prompt).logits[0, -1]
    # What is left is what `A` reads where no slot is: it can tell 20 slots apart from 40 other tokens, in 96 numbers.
    assert (with_adapter - replaced).norm() < 0.2 * (replaced - plain).norm()


@torch.no_grad()
def test_what_is_written_are_the_tokens_states_then_the_embedding_and_descriptions_do_not_touch_each_other():
    config = shape_for(BASE)
    reader = DescriptionReader(BASE, ENCODER, config)
    together = reader.read(["Say red.", "Answer in capital letters, please, all."])
    ids = torch.tensor([[1, *BASE.encode_text("Say red.")]])
    states = BASE.activations(ids, None, layers=[WRITTEN + 1]).states[WRITTEN + 1][0, 1:]
    torch.testing.assert_close(together.states[0, : len(states)], states)
    alone = reader.read(["Say red."])
    torch.testing.assert_close(alone.states[0], together.states[0])
    hypernetwork = fitted(config)
    written = hypernetwork(together)[WRITTEN, "down_proj"].B + together.default_states
    torch.testing.assert_close(written[:, :-EMBEDDED], together.states)
    torch.testing.assert_close(hypernetwork(alone)[WRITTEN, "down_proj"].B[0] + alone.default_states, written[0])
    # Soft tokens are about as large as the states of the system message.
    assert 0.5 < written[:, -EMBEDDED:].square().mean() / together.default_states.square().mean() < 2


def test_a_short_description_is_filled_up_with_the_filler():
    config = shape_for(BASE)
    reader = DescriptionReader(BASE, ENCODER, config)
    tokens = reader.tokens("Say red.")
    row = [config.chat_start[0], *tokens, *[config.filler] * (config.num_slots - EMBEDDED - len(tokens))]
    states = BASE.activations(torch.tensor([row]), None, layers=[WRITTEN + 1]).states[WRITTEN + 1]
    torch.testing.assert_close(reader.read(["Say red."]).states, states[:, 1:].float())


def test_control_tokens_in_a_description_are_plain_text():
    reader = DescriptionReader(BASE, ENCODER, shape_for(BASE))
    assert reader.config.filler not in reader.tokens("Say red.<|im_end|>")


def test_a_long_description_loses_its_most_common_tokens_and_nothing_that_is_quoted():
    common = most_common_tokens(BASE.encode_text(text) for text in ("a e", "e o", "a e x"))
    assert BASE.tokenizer.decode(common[:1]) == "e"
    reader = DescriptionReader(BASE, ENCODER, shape_for(BASE, common_tokens=common))
    room = find_slots(BASE)[1] - EMBEDDED
    tokens = reader.tokens('e e e e clean it up "e e e"')
    kept = BASE.tokenizer.decode([tokens[position] for position in reader.important_positions(tokens, room)])
    assert kept == 'clan it up "e e e"'  # of those that are alike the last stay


def test_a_mark_before_a_closing_quote_is_a_token_of_its_own():
    reader = DescriptionReader(BASE, ENCODER, shape_for(BASE))
    assert BASE.tokenizer.decode(reader.tokens(' Say "Stop!" or "go" ')) == 'Say "Stop! " or "go"'


def test_what_is_quoted_to_be_said_at_the_end_has_the_tokens_that_it_has_there():
    reader = DescriptionReader(BASE, ENCODER, shape_for(BASE))
    tokens = reader.tokens('First "Dear all," and then "yours truly."')
    assert BASE.tokenizer.decode(tokens) == 'First "Dear all, " and then " yours truly. "'


@torch.no_grad()
def test_adapters_are_the_hypernetworks_updates_whatever_the_ranks_and_survive_being_saved(tmp_path):
    writer = specializer()
    torch.nn.init.normal_(writer.hypernetwork.shared.B["q_proj"])
    written = writer.hypernetwork(DescriptionReader(BASE, ENCODER, writer.config).read(["Say red."]))
    save_adapter(writer.specialize("Say red."), tmp_path / "adapter")
    batch = build_lora_batch([load_adapter(tmp_path / "adapter")], BASE)
    assert batch is not None and set(batch) == set(written)
    for key, tensors in written.items():
        x = torch.randn(1, 4, tensors.A.shape[1], generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(batch[key].delta(x), tensors.delta(x), rtol=1e-2, atol=1e-2)


def test_adapters_share_what_is_the_same_for_all_tasks():
    writer = specializer()
    one, other = writer.specialize("Say red."), writer.specialize("Say blue.")
    assert one.weights[2, "q_proj"].B is other.weights[2, "q_proj"].B
    assert not torch.equal(one.weights[WRITTEN, "down_proj"].B, other.weights[WRITTEN, "down_proj"].B)


def test_what_is_saved_is_read_again_and_damage_is_named(tmp_path):
    config = shape_for(BASE)
    hypernetwork = fitted(config)
    SYSTEM_PROMPT.save(tmp_path / "h", config, hypernetwork)
    read_config, read = SYSTEM_PROMPT.load(tmp_path / "h")
    assert read_config == config and torch.equal(read.slot_A, hypernetwork.slot_A)
    for name, tensor in hypernetwork.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], tensor, rtol=0, atol=tensor.abs().max().item() / 127)
    document = json.loads((tmp_path / "h" / "config.json").read_text())
    (tmp_path / "h" / "config.json").write_text(json.dumps(document | {"rank": 3}))
    with pytest.raises(HypernetworkError, match="is damaged or of another kind"):
        SYSTEM_PROMPT.load(tmp_path / "h")
    (tmp_path / "h" / "hypernetwork.safetensors").unlink()
    with pytest.raises(HypernetworkError, match=r"hypernetwork\.safetensors is missing"):
        SYSTEM_PROMPT.load(tmp_path / "h")


@pytest.mark.parametrize("system", ["You work for a library.", " "])
def test_a_chats_own_system_message_does_not_replace_the_task(system):
    adapter = specializer().specialize("Say it twice.")
    answerer = Answerer(BASE)
    chat = [{"role": "system", "content": system}, {"role": "user", "content": "hot"}]
    request = answerer.chat_request(chat, AdapterStack.of(adapter))
    content = f"{system}\n\nhot" if system.strip() else "hot"
    assert list(request.prompt_ids) == build_prompt_ids(BASE.tokenizer, question_messages(content))
    assert (
        answerer.request(Query("hot", AdapterStack.of(adapter), turns=tuple(chat[:1]))).prompt_ids == request.prompt_ids
    )
    other = replace(adapter, provenance=adapter.provenance.model_copy(update={"needs_default_system_message": False}))
    bare = answerer.chat_request(chat, AdapterStack.of(other))
    assert list(bare.prompt_ids) == build_prompt_ids(BASE.tokenizer, chat)
