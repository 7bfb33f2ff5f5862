from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from adapters.random_adapters import logits_with, random_adapter, row_logits
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base

from lorify.adapters import AdapterStack, build_lora_batch
from lorify.errors import AdapterError

ONE = st.builds(
    dict,
    seed=st.integers(0, 50),
    rank=st.integers(1, 5),
    keys=st.sampled_from([((0, "down_proj"),), ((1, "q_proj"),), ((0, "down_proj"), (1, "up_proj"))]),
    shared_seed=st.sampled_from([None, 3]),
)
SCALED = st.tuples(ONE, st.floats(-1.5, 1.5))
ROWS = st.lists(st.one_of(st.none(), ONE, st.lists(SCALED, max_size=3)), min_size=1, max_size=4)


def make_row(base, row):
    if row is None:
        return None
    if isinstance(row, dict):
        return random_adapter(base, **row)
    return AdapterStack(tuple((random_adapter(base, **one), scale) for one, scale in row))


def reference_update(base, row, key, x):
    """Update of one linear layer for one row, written out."""
    total = torch.zeros(*x.shape[:-1], base.linear(*key).out_features)
    for adapter, scale in AdapterStack.of(row):
        if key in adapter.weights:
            pair = adapter.weights[key]
            total = total + scale * (adapter.lora_alpha / pair.A.shape[0]) * (x @ pair.A.T @ pair.B.T)
    return total


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_every_row_gets_its_own_update(base, rows):
    adapters = [make_row(base, row) for row in rows]
    batch = build_lora_batch(adapters, base) or {}
    for key in {(0, "down_proj"), (1, "q_proj"), (1, "up_proj")}:
        x = torch.randn(len(rows), 3, base.linear(*key).in_features, generator=torch.Generator().manual_seed(0))
        got = batch[key].delta(x) if key in batch else torch.zeros(len(rows), 3, base.linear(*key).out_features)
        want = torch.stack([reference_update(base, row, key, x[i]) for i, row in enumerate(adapters)])
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(rows=ROWS)
def test_a_batch_equals_its_rows_one_by_one(base, rows):
    adapters = [make_row(base, row) for row in rows]
    together = logits_with(base, build_lora_batch(adapters, base), len(rows))
    for i, row in enumerate(adapters):
        alone = row_logits(base, build_lora_batch([row], base), i, len(rows))
        torch.testing.assert_close(together[i], alone, atol=1e-4, rtol=1e-4)


def test_no_adapter_is_the_bare_base(base):
    assert build_lora_batch([None, None, AdapterStack()], base) is None


def test_shared_A_is_kept_once(base):
    a, b = (random_adapter(base, seed, shared_seed=1) for seed in (1, 2))
    batch = build_lora_batch([a, None, AdapterStack(((a, 1.0), (b, 0.5)))], base)
    assert batch is not None
    for key, pair in a.weights.items():
        assert batch[key].A.shape == pair.A.shape
        assert batch[key].B.shape == (3, pair.rank, pair.B.shape[0])
        assert not batch[key].B[1].any()


def test_different_A_are_stacked_and_filled_up(base):
    a, b = random_adapter(base, 1, rank=2), random_adapter(base, 2, rank=3)
    batch = build_lora_batch([a, AdapterStack(((a, 1.0), (b, 1.0)))], base)
    assert batch is not None
    assert batch[0, "down_proj"].A.shape == (2, 5, 96)
    assert batch[0, "down_proj"].B.shape == (2, 5, 48)


def test_tensors_have_the_dtype_of_the_base():
    base = tiny_base("llama")
    base.model.to(torch.bfloat16)
    rows = [random_adapter(base, 1), random_adapter(base, 2)]
    for batch in (build_lora_batch(rows, base), build_lora_batch(rows[:1], base)):
        assert batch is not None
        assert all(x.A.dtype == x.B.dtype == torch.bfloat16 for x in batch.values())


def test_threads_with_different_adapters_do_not_mix(base):
    adapters = [None, *(random_adapter(base, seed) for seed in range(3))]
    batches = [build_lora_batch([adapter], base) for adapter in adapters]
    want = [logits_with(base, batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        jobs = [(i % 4, pool.submit(logits_with, base, batches[i % 4])) for i in range(24)]
        for i, job in jobs:
            torch.testing.assert_close(job.result(), want[i], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(want[0], want[1], atol=1e-3)


def test_an_adapter_for_another_base_is_refused(base):
    with pytest.raises(AdapterError, match="made for tiny-gemma3"):
        build_lora_batch([None, random_adapter(tiny_base("gemma3"))], base)
