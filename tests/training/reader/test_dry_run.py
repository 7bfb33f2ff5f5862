import random

import pytest
import torch
from tiny import tiny_associative_config, tiny_base
from training.measured_step import measure_step

from lorify.errors import HypernetworkError
from lorify.hypernets.associative.kind import save_associative
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.relevance import Relevance
from lorify.training.context_sizes import ContextSize
from lorify.training.engine.state_cache import StateCache
from lorify.training.reader.batches import ContextSampler
from lorify.training.reader.dry_run import dry_run_reader
from lorify.training.reader.objective import ReaderObjective

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={})


def run_in(folder, **data) -> ReaderTrainingConfig:
    counts = {"facts": 3, "questions": 0, "niah": 0, "questions_per_context": 3, "max_facts": 10}
    document = {
        "base": str(folder),
        "init_from": str(folder / "start"),
        "width": 32,
        "data": counts | {"negative_probability": 0.0} | data,
        "optimization": {"bf16": True},
    }
    return ReaderTrainingConfig.model_validate(document)


def test_the_cost_of_a_step_is_what_pytorch_measures(tmp_path):
    base = tiny_base()
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    shape = tiny_associative_config(base, chunk_tokens=400)
    hypernetwork = AssociativeHypernetwork(shape)
    save_associative(tmp_path / "start", shape, hypernetwork, relevance=RELEVANCE)
    config = run_in(tmp_path)
    states, sampler = StateCache(tmp_path / "states.sqlite", "tiny"), ContextSampler(config, [], [])
    objective = ReaderObjective(config, base, shape, hypernetwork, RELEVANCE, states, sampler)
    drawn = [objective.contexts.load(*draw) for draw in sampler.draw_generated(random.Random("0/reader/0"))]
    assert all(len(context.questions) >= 3 for context in drawn)
    longest = max(len(question.ids) for context in drawn for question in context.questions)
    sizes = [ContextSize(sum(len(chunk) - 1 for chunk in context.ids), 3, longest) for context in drawn]
    stated = dry_run_reader(config, groups=[sizes])
    peak, flops = measure_step(objective)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == sum(p.numel() for p in objective.module.parameters())


def test_a_hypernetwork_that_is_trained_later_has_the_default_shape(tmp_path):
    tiny_base("gemma2", num_layers=9).model.config.save_pretrained(tmp_path)
    few, many = (dry_run_reader(run_in(tmp_path, max_facts=count)) for count in (10, 1000))
    assert few.activation_bytes == many.activation_bytes and few.flops_a_step == many.flops_a_step
    assert many.hours > few.hours  # the base reads each context once


def test_a_start_of_another_kind_is_named(tmp_path):
    tiny_base().model.config.save_pretrained(tmp_path)
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "config.json").write_text('{"format_version": 1, "kind": "perceiver"}')
    with pytest.raises(HypernetworkError, match="is of kind perceiver, expected associative"):
        dry_run_reader(run_in(tmp_path))
