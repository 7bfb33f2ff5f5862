"""The estimate of whether the adapter of a description does its task."""

from dataclasses import replace

import pytest
import torch
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.answering.calibration.description_estimate import (
    PROBES,
    DescriptionModel,
    DescriptionProbe,
    DescriptionSignals,
)
from lorify.contexts.documents import document_from_text
from lorify.hypernets.task_refinement.task_examples import TaskExample

TASK = 'Answer "yes" in capital letters. Nothing else.'


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    base = tiny_base()
    folder = tmp_path_factory.mktemp("tasks")
    return tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))


def fitted(model, bias: float) -> DescriptionModel:
    return DescriptionModel(
        hypernetwork_digest=model.specializer.digest,
        bias=bias,
        weights=(0.0,) * len(DescriptionSignals._fields),
        threshold=0.3,
        auroc=0.8,
        questions=9,
    )


def test_signals_describe_the_first_tokens_of_the_answers(model):
    probe = DescriptionProbe(model.base, model.answerer.prompts)
    adapter = model.specialize(TASK)
    signals = probe.signals(adapter, TASK)
    logs = []
    for given in PROBES:  # one at a time, without padding
        ids = torch.tensor([model.answerer.prompts.question_ids(given)])
        with torch.no_grad(), model.base.hooks.applied(build_lora_batch([adapter], model.base)):
            hidden = model.base.decoder(input_ids=ids).last_hidden_state[:, -1]
        logs.append(model.base.logits(hidden).float().log_softmax(-1)[0])
    log = torch.stack(logs)
    assert signals.entropy == pytest.approx(-(log.exp() * log).sum(-1).mean().item(), rel=1e-3)
    assert signals.surprisal == pytest.approx(-log.max(-1).values.mean().item(), rel=1e-3)
    best = log.max(-1)
    assert signals.odds == pytest.approx(best.values.exp().clamp(1e-3, 1 - 1e-3).logit().mean().item(), rel=1e-3)
    words = set(model.base.encode_text(TASK)) | set(model.base.encode_text(f" {TASK}"))
    assert signals.named == sum(token in words for token in best.indices.tolist()) / len(PROBES)
    assert (signals.quotes, signals.sentences) == pytest.approx((torch.tensor([3.0, 3.0]).log()).tolist())


def test_an_adapter_without_an_effect_changes_nothing(model):
    adapter = model.specialize(TASK)
    silent = replace(adapter, weights={key: replace_b(pair) for key, pair in adapter.weights.items()})
    probe = DescriptionProbe(model.base, model.answerer.prompts)
    without, signals = probe.signals(silent, TASK), probe.signals(adapter, TASK)
    assert without.change == pytest.approx(0, abs=1e-5) and without.spread == pytest.approx(0, abs=1e-5)
    assert signals.change > without.change


def replace_b(pair):
    return replace(pair, B=torch.zeros_like(pair.B))


def test_the_estimate_is_recorded_for_descriptions_alone(model):
    adapter = model.specialize(TASK)
    assert model.estimate(adapter, TASK).provenance.follows is None, "nothing is fitted"
    fitted(model, bias=1.0).save(model.task_hypernetwork)
    del model.__dict__["description_model"]
    assert model.estimate(adapter, TASK).provenance.follows == pytest.approx(0.7311)
    estimated, example = model.estimate(adapter, TASK), TaskExample("a", "b")
    foreign = replace(adapter, provenance=adapter.provenance.model_copy(update={"hypernetwork_digest": "other"}))
    trained = model.refine_task(estimated, [example], seconds=0.1)
    others = [model.specialize(TASK, [example]), foreign, trained, model.internalize(document_from_text(TASK))]
    assert [model.estimate(other, TASK).provenance.follows for other in others] == [None] * 4


def test_users_are_warned_of_unlikely_descriptions_alone(model):
    note = fitted(model, 0.0).note
    assert note(0.3, "x") is None and note(None, "x") is None
    assert note(0.1, "give examples") == (
        "the adapter probably does not follow this description (estimated at 10%); give examples"
    )
