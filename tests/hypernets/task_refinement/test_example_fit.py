"""Fitting examples of a task into its adapter."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_base
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from lorify.adapters import (
    Adapter,
    LoraPair,
    build_lora_batch,
    export_peft,
    import_peft,
    load_adapter,
    merge_adapters,
    save_adapter,
)
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.errors import ContextError
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter
from lorify.hypernets.adapter_training.least_squares import FitSettings, lay_out
from lorify.hypernets.adapter_training.training_examples import target_probabilities
from lorify.hypernets.task_refinement.example_fit import MAX_RANK, fit_examples
from lorify.hypernets.task_refinement.task_examples import TaskExample, training_example

BASE = tiny_base()
PROMPTS = PromptBuilder(BASE.tokenizer)
EXAMPLES = [TaskExample("hot", "cold"), TaskExample("big", "small"), TaskExample("rich", "poor")]


@pytest.fixture(scope="module")
def start() -> Adapter:
    return blank_adapter(BASE, 4, [document_from_text("Say the opposite.", "task")])


@torch.no_grad()
def log_probability(adapter: Adapter) -> float:
    """Mean over the tokens of all answers."""
    prepared = [training_example(BASE, example, PROMPTS) for example in EXAMPLES]
    lora = build_lora_batch([adapter] * len(prepared), BASE) or {}
    return torch.cat(target_probabilities(BASE, prepared, lora)).log().mean().item()


def test_a_fitted_adapter_knows_its_examples(start: Adapter) -> None:
    fitted = fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS)
    assert log_probability(fitted) > log_probability(start) + 0.5
    assert fitted.provenance.num_examples == len(EXAMPLES)


def test_rows_are_added_to_the_upper_blocks_only(start: Adapter) -> None:
    fitted = fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS)
    targets = sum(training_example(BASE, example, PROMPTS).num_targets for example in EXAMPLES)
    for key, pair in fitted.weights.items():
        old = start.weights[key]
        if key[1] == "down_proj" and key[0] >= BASE.num_layers * 2 // 3:
            assert old.rank < pair.rank <= old.rank + min(targets, MAX_RANK)
        else:
            assert torch.equal(pair.A, old.A) and not pair.B.any()


def test_more_answers_than_rows_can_be_fitted(start: Adapter) -> None:
    many = [TaskExample(f"number {i}", f"{i} {i + 1} {i + 2}") for i in range(40)]
    fitted = fit_examples(BASE, start, many, prompts=PROMPTS)
    assert max(pair.rank for pair in fitted.weights.values()) <= start.rank + MAX_RANK


def test_what_the_adapter_did_stays_beside_the_examples(start: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale of a pair depends on its rank, which the new rows raise."""
    monkeypatch.setattr("lorify.hypernets.task_refinement.example_fit.SETTINGS", FitSettings(rounds=0))
    torch.manual_seed(0)
    weights = {key: LoraPair(pair.A, torch.randn_like(pair.B)) for key, pair in start.weights.items()}
    trained = replace(start, weights=weights)
    grown = fit_examples(BASE, trained, EXAMPLES, prompts=PROMPTS)
    assert grown.rank > trained.rank
    prompt = torch.tensor([PROMPTS.question_ids("hot")])
    logits = []
    for adapter in (trained, grown):
        with torch.no_grad(), BASE.hooks.applied(build_lora_batch([adapter], BASE)):
            logits.append(BASE.model(input_ids=prompt).logits)
    assert torch.allclose(*logits, atol=1e-4)


def test_an_adapter_that_gives_all_answers_gets_no_rows(start: Adapter) -> None:
    fitted = fit_examples(BASE, start, EXAMPLES[:1], prompts=PROMPTS)
    again = fit_examples(BASE, fitted, EXAMPLES[:1], prompts=PROMPTS)
    assert again.weights is fitted.weights
    assert again.provenance.num_examples == 1


def test_the_same_examples_give_the_same_adapter(start: Adapter) -> None:
    first, second = (fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS) for _ in range(2))
    assert all(torch.equal(pair.B, second.weights[key].B) for key, pair in first.weights.items())


def test_no_example_changes_nothing(start: Adapter) -> None:
    assert fit_examples(BASE, start, [], prompts=PROMPTS) is start


def test_examples_that_cannot_be_fitted_are_named(start: Adapter) -> None:
    with pytest.raises(ContextError, match="contradict"):
        fit_examples(BASE, start, [TaskExample("hot", "cold"), TaskExample("hot", "warm")], prompts=PROMPTS)
    with pytest.raises(ContextError, match="shorten it"):
        fit_examples(BASE, start, [TaskExample("a " * 5000, "b")], prompts=PROMPTS)


def test_examples_beyond_the_limit_are_left_out(start: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [len(training_example(BASE, example, PROMPTS).ids) for example in EXAMPLES]
    monkeypatch.setattr("lorify.hypernets.task_refinement.example_fit.MAX_TOKENS", tokens[0] + tokens[1])
    assert fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS).provenance.num_examples == 2
    monkeypatch.setattr("lorify.hypernets.task_refinement.example_fit.MAX_TOKENS", 1)
    assert fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS).provenance.num_examples == 1


def test_a_base_without_down_proj_gets_the_rows_on_another_layer(start: Adapter) -> None:
    config = GPTNeoXConfig(
        vocab_size=272, hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=3
    )
    torch.manual_seed(0)
    base = BaseLM(AutoModelForCausalLM.from_config(config), BASE.tokenizer, name="neox", digest=BASE.digest)
    plain = replace(start, weights={(0, "dense"): LoraPair(torch.randn(4, 48), torch.zeros(48, 4))})
    fitted = fit_examples(base, plain, EXAMPLES, prompts=PROMPTS)
    assert fitted.weights.keys() == {(0, "dense"), (2, "dense_4h_to_h")}


def test_a_fitted_adapter_is_saved_exported_and_merged(start: Adapter, tmp_path: Path) -> None:
    fitted = fit_examples(BASE, start, EXAMPLES, prompts=PROMPTS)
    save_adapter(fitted, tmp_path / "adapter")
    loaded = load_adapter(tmp_path / "adapter")
    assert loaded.provenance.num_examples == len(EXAMPLES) and loaded.shapes == fitted.shapes
    assert log_probability(loaded) == pytest.approx(log_probability(fitted), abs=1e-3)
    export_peft(fitted, BASE, tmp_path / "peft")
    assert log_probability(import_peft(tmp_path / "peft", BASE)) == pytest.approx(log_probability(fitted), abs=1e-2)
    assert merge_adapters([(fitted, 1.0), (start, 1.0)]).provenance.num_examples == len(EXAMPLES)


@pytest.mark.parametrize("base", [BASE, tiny_base("mistral", num_layers=3, sliding_window=8)], ids=["full", "sliding"])
def test_examples_run_as_one_by_one(base: BaseLM) -> None:
    prompts = PromptBuilder(base.tokenizer)
    known = [training_example(base, example, prompts) for example in EXAMPLES]
    assert base.slides_over(max(len(each.ids) for each in known)) == (base is not BASE)
    (run,) = lay_out(base, known, [(base.num_layers - 1, "down_proj")])
    run.again(None)
    run.again(None)  # through the last block alone
    with torch.no_grad():
        ids = [torch.tensor([each.ids], device=base.device) for each in known]
        hidden = [base.decoder(input_ids=row).last_hidden_state[0] for row in ids]
        states = [row[-each.num_targets :] for row, each in zip(hidden, known, strict=True)]
    torch.testing.assert_close(run.latest.hidden.detach(), torch.cat(states))
