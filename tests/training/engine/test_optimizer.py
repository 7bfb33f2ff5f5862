import pytest

from lorify.hypernets.associative.training_config import AssociativeOptimization
from lorify.training.engine.optimizer import schedule_factor


def test_schedule_warms_up_and_ends_at_the_final_ratio():
    optimization = AssociativeOptimization(steps=100, warmup_steps=10, final_learning_rate_ratio=0.1)
    factors = [schedule_factor(step, optimization) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0) == pytest.approx(factors[10])
    assert factors[100] == pytest.approx(0.1)


def test_the_linear_schedule_is_that_of_transformers():
    optimization = AssociativeOptimization(steps=10, warmup_steps=2, schedule="linear")
    # get_scheduler("linear", optimizer, num_warmup_steps=2, num_training_steps=10), worked out by hand
    expected = [0, 1 / 2, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]
    assert [schedule_factor(step, optimization) for step in range(11)] == pytest.approx(expected)
    no_warmup = AssociativeOptimization(steps=4, warmup_steps=0, schedule="linear")
    assert [schedule_factor(step, no_warmup) for step in range(4)] == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])
