import pytest

from lorify.hypernets.associative.training_config import AssociativeOptimization
from lorify.training.engine.optimizer import schedule_factor


def test_schedule_warms_up_and_ends_at_the_final_ratio():
    optimization = AssociativeOptimization(steps=100, warmup_steps=10, final_learning_rate_ratio=0.1)
    factors = [schedule_factor(step, optimization) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0) == pytest.approx(factors[10])
    assert factors[100] == pytest.approx(0.1)
