import math

import pytest
import torch
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.contexts.documents import document_from_text
from lorify.hypernets.adapter_training.published_distillation import DistillationSettings, distill_as_published
from lorify.hypernets.adapter_training.training_examples import TrainingExample, mean_kl_to_teacher

DOCUMENTS = [document_from_text("The mill opens at nine.", "mill")]


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def examples(base) -> list[TrainingExample]:
    """Three questions whose answers the base finds unlikely."""
    made = []
    for i in range(3):
        log_probs = torch.tensor([[0.9, 0.1]]).log().expand(4, 2)
        made.append(TrainingExample("q", [5 + i, 9, 8, 7, 6], 4, torch.tensor([[20 + i, 30]] * 4), log_probs))
    return made


def test_it_learns_the_teachers_distribution(base, examples):
    settings = DistillationSettings(epochs=60, batch_size=2, learning_rate=1e-2, rank=4, lora_alpha=8.0)
    adapter = distill_as_published(base, examples, DOCUMENTS, settings)
    assert adapter.lora_alpha == 8 and {pair.rank for pair in adapter.weights.values()} == {4}
    with torch.no_grad():
        before = mean_kl_to_teacher(base, examples, {})
        after = mean_kl_to_teacher(base, examples, build_lora_batch([adapter], base))
    assert after < before - 0.5


def test_without_a_step_it_is_pefts_initial_lora(base, examples):
    adapter = distill_as_published(base, examples, DOCUMENTS, DistillationSettings(epochs=0))
    for pair in adapter.weights.values():
        assert not pair.B.any()
        bound = 1 / pair.A.shape[1] ** 0.5
        assert 0.9 * bound < pair.A.abs().max() <= bound


def test_rates_follow_the_cosine_to_zero(base, examples, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def recorded(optimizer, *args):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    distill_as_published(base, examples, DOCUMENTS, DistillationSettings(epochs=2, batch_size=2))
    # Two passes of two batches: 1e-4 (1 + cos(pi t / 4)) / 2.
    assert rates == pytest.approx([1e-4 * (1 + math.cos(math.pi * t / 4)) / 2 for t in range(4)])
