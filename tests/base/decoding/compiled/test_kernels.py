"""Compiled operations against PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F

from lorify.base.decoding.compiled.kernels import attend, exponential, gate


def test_the_exponential_is_that_of_numpy() -> None:
    values = np.linspace(-80, 80, 4001, dtype=np.float32)
    found = np.array([exponential(value) for value in values])
    np.testing.assert_allclose(found, np.exp(values.astype(np.float64)), rtol=5e-7)
    assert exponential(np.float32(-1e4)) < 1e-37
    assert np.isfinite(exponential(np.float32(1e4)))


def test_gates_of_large_inputs_stay_finite() -> None:
    joined = np.array([-1e4, -90, 0, 90, 1e4, 1, 1, 1, 1, 1], np.float32)
    out = np.empty(5, np.float32)
    gate(joined, out)
    np.testing.assert_allclose(out, F.silu(torch.tensor([-1e4, -90, 0, 90, 1e4])).numpy(), atol=1e-30, rtol=1e-6)


def test_attention_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 16), torch.randn(500, 16), torch.randn(500, 16)
    out = np.empty((3, 16), np.float32)
    attend(queries.numpy(), keys.numpy(), values.numpy(), np.float32(0.25), out)
    expected = F.scaled_dot_product_attention(queries[None], keys[None], values[None])[0]
    torch.testing.assert_close(torch.from_numpy(out), expected, atol=1e-5, rtol=1e-5)
