"""What a dry run of an extractor states, beside a real step."""

import pytest
from training.extraction.test_objective import config_in
from training.measured_step import measure_step

from lorify.training.extraction.dry_run import dry_run_extraction
from lorify.training.extraction.objective import prepare_extraction


def test_the_cost_of_a_step_is_what_pytorch_measures(tmp_path):
    config = config_in(tmp_path, data={"unanswerable_share": 0.0, "questions": 8}, optimization={"bf16": True})
    objective = prepare_extraction(config, None)
    rows = objective._rows(objective.sampler.batch(0))
    stated = dry_run_extraction(config, shapes=[(len(rows), max(len(row.source.ids) for row in rows))])
    peak, flops = measure_step(objective)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == sum(p.numel() for p in objective.module.parameters() if p.requires_grad)


def test_more_questions_a_step_take_more(tmp_path):
    few, many = (dry_run_extraction(config_in(tmp_path, data={"questions": count})) for count in (8, 32))
    assert many.flops_a_step > 3 * few.flops_a_step and many.activation_bytes > few.activation_bytes
