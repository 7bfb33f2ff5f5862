"""The static LoRA on attention layers that an associative hypernetwork may have."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_associative_config, tiny_base
from training.tiny_associative_run import tiny_config, trainer

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.errors import TrainingError
from lorify.hypernets.adapter_training.least_squares import fit_answers
from lorify.hypernets.adapter_training.training_examples import known_answer
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeHypernetwork, LinearShape
from lorify.hypernets.associative.training_config import AssociativeSettings

RANK = 3
TOWER, MILL = (document_from_text(text, text) for text in ("The tower is 48 metres high.", "The mill opens at nine."))


def internalizer(base: BaseLM, *, attention: bool) -> AssociativeInternalizer:
    torch.manual_seed(0)
    q_proj = base.linear(0, "q_proj")
    shape = LinearShape(name="q_proj", input_size=q_proj.in_features, output_size=q_proj.out_features)
    fields = {"attention_rank": RANK, "attention_layers": (0, 1), "attention_modules": (shape,)}
    config = tiny_associative_config(base, 32).model_copy(update=fields if attention else {})
    hypernetwork = AssociativeHypernetwork(config).eval()
    for B in hypernetwork.attention_B.values():
        torch.nn.init.normal_(B)
    return AssociativeInternalizer(base, config, hypernetwork, "tiny", "0" * 64)


@pytest.fixture(scope="module")
def base() -> BaseLM:
    return tiny_base()


def update_of(adapter: Adapter, key: tuple[int, str]) -> torch.Tensor:
    pair = adapter.weights[key]
    return adapter.scaling(key) * (pair.B.float() @ pair.A.float())


def test_adapters_have_it_once_however_many_documents_they_hold(base: BaseLM) -> None:
    made = internalizer(base, attention=True)
    static = made.hypernetwork.attention_B["q_proj"][1].T @ made.hypernetwork.attention_A["q_proj"][1]
    one, two = made.internalize([TOWER]), made.internalize([TOWER, MILL])
    combined = made.combine([(one, 1.0), (made.internalize([MILL]), 0.5)])
    for adapter in (one, two, combined):
        assert torch.allclose(update_of(adapter, (1, "q_proj")), static, atol=1e-2)
        assert adapter.shapes[1, "q_proj"].rank == RANK


def test_the_memory_stays_as_it_is_without_it(base: BaseLM) -> None:
    key = (1, "down_proj")
    with_it, without = (internalizer(base, attention=on).internalize([TOWER]) for on in (True, False))
    assert without.weights.keys() == {(0, "down_proj"), (1, "down_proj")}
    assert with_it.shapes[key] == without.shapes[key]


def test_answers_are_fitted_into_the_memory_only(base: BaseLM) -> None:
    start = internalizer(base, attention=True).internalize([TOWER])
    example = known_answer(base, "How high?", [5, 6, 7], [8, 9])
    fitted = fit_answers(base, [example], start)
    changed = {key for key in start.weights if not torch.equal(start.weights[key].B, fitted.weights[key].B)}
    assert changed == {(0, "down_proj"), (1, "down_proj")}


def test_training_starts_without_an_effect_and_changes_it(tmp_path: Path) -> None:
    plain = tiny_config()
    trainer(tmp_path / "old", plain).objective.save_best(tmp_path / "start")
    settings = plain.hypernetwork.model_copy(update={"attention_rank": RANK, "attention_first_layer": 0})
    run = trainer(
        tmp_path / "new", plain.model_copy(update={"hypernetwork": settings, "init_from": tmp_path / "start"})
    )
    network = run.objective.module
    assert all(not B.any() for B in network.attention_B.values()) and len(network.attention_B) == 4
    run.run(lambda _progress: None, stop_at=1)
    assert all(B.any() for B in network.attention_B.values())


def test_an_adapter_on_other_rows_leaves_a_row_alone(base: BaseLM) -> None:
    adapter = internalizer(base, attention=True).internalize([TOWER])
    ids = torch.tensor([[5, 6, 7], [5, 6, 7]])
    lora = build_lora_batch([adapter, None], base)
    with torch.no_grad(), base.hooks.applied(lora):
        rows = base.model(input_ids=ids).logits
    with torch.no_grad():
        alone = base.model(input_ids=ids[:1]).logits
    assert torch.allclose(rows[1], alone[0], atol=1e-4) and not torch.allclose(rows[0], alone[0], atol=1e-2)


def test_the_pairs_of_an_adapter_take_no_gradient(base: BaseLM) -> None:
    adapter = internalizer(base, attention=True).internalize([TOWER])
    assert not any(tensor.requires_grad for pair in adapter.weights.values() for tensor in (pair.A, pair.B))


def test_a_run_keeps_it_from_the_hypernetwork_that_it_starts_from(tmp_path: Path) -> None:
    plain = tiny_config()
    shape = plain.hypernetwork.model_copy(update={"attention_rank": RANK, "attention_first_layer": 0})
    trainer(tmp_path / "old", plain.model_copy(update={"hypernetwork": shape})).objective.save_best(tmp_path / "start")
    run = plain.model_copy(update={"init_from": tmp_path / "start"})
    kept = trainer(tmp_path / "new", run).objective
    assert kept.hypernetwork_config.attention_rank == RANK and kept.hypernetwork_config.attention_layers == (0, 1)
    assert len(kept.module.attention_A) == 4
    other = run.model_copy(update={"hypernetwork": shape.model_copy(update={"attention_rank": RANK + 1})})
    with pytest.raises(TrainingError, match=r"set hypernetwork\.attention_rank"):
        trainer(tmp_path / "other", other)


def test_a_rank_that_could_be_taken_for_the_memory_is_refused() -> None:
    with pytest.raises(ValidationError, match="attention_rank 8 is not below"):
        AssociativeSettings(rank=4, bias_rank=4, attention_rank=8)
