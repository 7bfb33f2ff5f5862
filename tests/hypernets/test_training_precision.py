"""Whether a training run computes in bfloat16."""

import pytest
import torch

from lorify.base import loading
from lorify.hypernets.training_config import Optimization


@pytest.mark.parametrize("native", [torch.bfloat16, torch.float32])
def test_by_default_a_run_computes_in_bfloat16_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, native: torch.dtype
) -> None:
    monkeypatch.setattr(loading, "best_dtype", lambda _: native)
    assert Optimization.model_validate({}).computes_in_bf16(torch.device("cpu")) is (native is torch.bfloat16)


@pytest.mark.parametrize("chosen", [True, False])
def test_a_config_decides_for_itself(chosen: bool) -> None:
    assert Optimization.model_validate({"bf16": chosen}).computes_in_bf16(torch.device("cpu")) is chosen
