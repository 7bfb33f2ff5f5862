"""Bases of many families, found by their structure: internalize, decode in batches, train, export to PEFT, merge."""

from pathlib import Path

import pytest
import torch
from adapters.random_adapters import random_adapter
from base.families import FAMILIES, family_base
from tiny import TOWER_TEXT
from training.tiny_associative_run import tiny_config, trainer

from lorify.adapters import Adapter, build_lora_batch
from lorify.adapters.exports.peft import export_peft, import_peft
from lorify.adapters.merging import merge_into_base
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.facade import Lorify
from lorify.hypernets.adapter_training.training_examples import target_probabilities
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.task_refinement.example_fit import fit_examples
from lorify.hypernets.task_refinement.task_examples import TaskExample, training_example
from lorify.training.associative.initialization import initialize_hypernetwork
from lorify.training.engine.packing import Segment
from lorify.training.tasks.scoring import answer_rows


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(family: str) -> BaseLM:
    return family_base(family)


def family_config(family: str):
    """Run of one step."""
    config = tiny_config(steps=1)
    known = FAMILIES[family]
    settings = config.hypernetwork.model_copy(update={"module": known.module, "first_layer": known.first_layer})
    return config.model_copy(update={"hypernetwork": settings, "evaluate_every": 1})


def test_every_linear_layer_of_the_blocks_is_found(family: str, base: BaseLM) -> None:
    assert len(base.linear_keys) == FAMILIES[family].num_linears
    for key, linear in base.linear_keys.items():
        assert base.model.get_submodule(base.module_path(*key)) is linear


@torch.no_grad()
def test_logits_are_those_of_the_model(base: BaseLM) -> None:
    ids = torch.randint(3, 272, (2, 9), generator=torch.Generator().manual_seed(0))
    hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(base.logits(hidden), base.model(input_ids=ids, use_cache=False).logits)


@torch.no_grad()
def test_the_last_block_runs_again_with_other_updates(base: BaseLM) -> None:
    ids = torch.randint(3, 272, (2, 9), generator=torch.Generator().manual_seed(0))
    last = base.num_layers - 1
    keys = tuple(key for key in base.linear_keys if key[0] == last)
    with base.recorded_upper_blocks(last) as recorded:
        base.decoder(input_ids=ids, use_cache=False)
    assert recorded
    for lora in (None, build_lora_batch([random_adapter(base, 3, keys=keys)], base)):
        with base.hooks.applied(lora):
            expected = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
            torch.testing.assert_close(recorded[0].run(), expected)


def test_a_document_is_internalized(family: str, base: BaseLM) -> None:
    config, hypernetwork = initialize_hypernetwork(family_config(family), base)
    model = Lorify(base, AssociativeInternalizer(base, config, hypernetwork.eval(), name="tiny", digest="d"))
    adapter = model.internalize(document_from_text(TOWER_TEXT))
    assert {module for _, module in adapter.weights} == {FAMILIES[family].module}
    with_it, without = model.ask_batch(["When?"] * 2, [adapter, None], only_if_relevant=False, max_new_tokens=3)
    assert isinstance(with_it, str) and isinstance(without, str)


def test_examples_are_fitted_into_an_adapter(base: BaseLM) -> None:
    prompts = PromptBuilder(base.tokenizer)
    examples = [TaskExample("hot", "cold"), TaskExample("a bright day", "a dark night")]
    known = [training_example(base, example, prompts) for example in examples]
    start = random_adapter(base, 0, keys=tuple(base.linear_keys)[-1:])

    def log_probability(adapter: Adapter) -> float:
        with torch.no_grad():
            found = target_probabilities(base, known, build_lora_batch([adapter] * len(known), base) or {})
        return torch.cat(found).log().sum().item()

    fitted = fit_examples(base, start, examples, prompts=prompts)
    assert log_probability(fitted) > log_probability(start) + 1


def test_a_batch_with_adapters_is_decoded_as_one_by_one(base: BaseLM) -> None:
    keys, prompts = tuple(base.linear_keys), [[1, 7, 8, 9, 40, 41], [1, 99, 98], [1, 30, 31]]
    adapters = [random_adapter(base, seed, keys=keys) for seed in range(3)]
    options = GenerationOptions(5)
    found = generate_batch(base, prompts, options, lora=build_lora_batch(adapters, base), stop_ids=set())
    for prompt, adapter, answer in zip(prompts, adapters, found, strict=True):
        assert answer == greedy(base, prompt, build_lora_batch([adapter], base), len(answer))


@torch.no_grad()
def greedy(base: BaseLM, prompt: list[int], lora, num_tokens: int) -> list[int]:
    """The most likely tokens, each from the whole sequence without a cache."""
    ids = list(prompt)
    with base.hooks.applied(lora):
        for _ in range(num_tokens):
            ids.append(int(base.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_a_training_step_changes_the_hypernetwork(family: str, base: BaseLM, tmp_path: Path) -> None:
    run = trainer(tmp_path, family_config(family), base)
    before = {name: tensor.clone() for name, tensor in run.objective.module.named_parameters()}
    run.run(lambda _: None)
    after = dict(run.objective.module.named_parameters())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(tensor.isfinite().all() for tensor in after.values())


def test_adapters_are_exported_to_peft_and_merged(base: BaseLM, tmp_path: Path) -> None:
    adapter = random_adapter(base, keys=tuple(base.linear_keys))
    export_peft(adapter, base, tmp_path / "peft")  # compares the logits of the package peft with ours
    assert import_peft(tmp_path / "peft", base).weights.keys() == adapter.weights.keys()
    merge_into_base(base, adapter, tmp_path / "merged")  # compares the logits of the merged model with ours
    assert list((tmp_path / "merged").glob("*.safetensors"))


def test_packed_questions_are_answered_like_single_ones(base: BaseLM) -> None:
    """Rows of several questions give the loss of each question alone."""
    rows = [[Segment((1, 7, 8), (9, 2)), Segment((1, 7, 30), (40, 41, 2))], [Segment((1, 50), (51, 2))]]
    adapters = [random_adapter(base, seed, keys=tuple(base.linear_keys)) for seed in range(2)]
    together = answer_rows(base, rows, build_lora_batch(adapters, base), bf16=False)
    alone = [
        answer_rows(base, [[segment]], build_lora_batch([adapter], base), bf16=False).loss
        for row, adapter in zip(rows, adapters, strict=True)
        for segment in row
    ]
    torch.testing.assert_close(together.loss, torch.cat(alone), atol=1e-4, rtol=1e-4)
