from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_base

from lorify.contexts.encoders.features import Features, encode_chunks
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork

L, N, T, D, F = 2, 3, 7, 48, 96
V = 32


@pytest.fixture
def hypernetwork() -> AssociativeHypernetwork:
    torch.manual_seed(0)
    config = AssociativeConfig(
        base_name="tiny", base_digest="d", hidden_size=D, input_size=F, layers=(0, 1), rank=8, width=16, bias_rank=2
    )
    return AssociativeHypernetwork(config)


def features(seed: int = 0, num_chunks: int = N, num_tokens: int = T) -> Features:
    generator = torch.Generator().manual_seed(seed)
    return Features(
        states=torch.randn(L, num_chunks, num_tokens, D, generator=generator),
        inputs=torch.randn(L, num_chunks, num_tokens, F, generator=generator),
        ids=torch.randint(V, (num_chunks, num_tokens), generator=generator),
        outputs=torch.randn(num_chunks, num_tokens, D, generator=generator),
        is_token=torch.ones(num_chunks, num_tokens, dtype=torch.bool),
    )


def joined(first: Features, second: Features) -> Features:
    """Tokens of the second after those of the first."""
    return Features(
        torch.cat([first.states, second.states], 2),
        torch.cat([first.inputs, second.inputs], 2),
        torch.cat([first.ids, second.ids], 1),
        torch.cat([first.outputs, second.outputs], 1),
        torch.cat([first.is_token, second.is_token], 1),
    )


def chosen(some: Features, chunks: slice, tokens: slice) -> Features:
    """Some chunks and tokens only."""
    parts = [x[:, chunks, tokens] for x in (some.states, some.inputs)]
    parts += [x[chunks, tokens] for x in (some.ids, some.outputs, some.is_token)]
    return Features(*parts)


@torch.no_grad()
def test_a_chunk_has_the_same_statistics_alone_and_in_a_batch(hypernetwork):
    batch = features()
    together = hypernetwork(batch).statistics()
    for i in range(N):
        alone = hypernetwork(chosen(batch, slice(i, i + 1), slice(None))).statistics()
        torch.testing.assert_close(together.S[:, i : i + 1], alone.S)
        torch.testing.assert_close(together.M[:, i : i + 1], alone.M)


@torch.no_grad()
def test_padding_adds_nothing(hypernetwork):
    plain, filling = features(), features(seed=1, num_tokens=4)
    padded = joined(plain, replace(filling, is_token=torch.zeros_like(filling.is_token)))
    torch.testing.assert_close(hypernetwork(padded).statistics().M, hypernetwork(plain).statistics().M)


@torch.no_grad()
def test_the_written_memory_is_the_ridge_regression_of_values_on_keys(hypernetwork):
    """`B` minimizes sum w |v - B^T k|^2 + lambda |B|^2: the gradient of that is zero at the solution."""
    statistics = hypernetwork(features()).statistics()
    B = hypernetwork.write(statistics)
    memory = B[:, :, :8] / hypernetwork.log_scale.exp().view(L, 1, 1, 1)
    ridge = hypernetwork.log_lambda.exp().view(L, 1, 1, 1) * torch.eye(8)
    torch.testing.assert_close((statistics.S + ridge) @ memory, statistics.M, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_repetition_inside_a_chunk_does_not_drown_the_rest(hypernetwork):
    """A token repeated a hundred times weighs about as much as a single one."""
    once = features(num_chunks=1)
    first = chosen(once, slice(None), slice(0, 1))
    repeated = once
    for _ in range(99):
        repeated = joined(repeated, first)
    growth = (
        hypernetwork(repeated).statistics().S.diagonal(dim1=-2, dim2=-1).sum()
        / hypernetwork(once).statistics().S.diagonal(dim1=-2, dim2=-1).sum()
    )
    assert growth < 1.5


def test_features_stop_at_the_highest_wanted_layer_and_equal_the_full_forward():
    base = tiny_base(num_layers=3)
    chunks = [[5, 6, 7, 8], [9, 10]]
    found = encode_chunks(base, chunks, layers=(1, 2), module="down_proj")
    full = base.model(torch.tensor([[1, 5, 6, 7, 8]]), output_hidden_states=True).hidden_states
    torch.testing.assert_close(found.states[1, 0], full[2][0])
    head = base.model.get_output_embeddings().weight
    torch.testing.assert_close(found.next_outputs[0, :-1], head[chunks[0]])
    assert found.inputs.shape == (2, 2, 5, 96)
    assert found.ids[0].tolist() == [1, 5, 6, 7, 8]
    assert found.mask.tolist() == [[True] * 4 + [False], [True, True, False, False, False]]


@torch.no_grad()
def test_a_memory_of_thousands_of_equal_chunks_can_still_be_solved(hypernetwork):
    """The statistics of a very long document, rounded as they are stored."""
    one = hypernetwork(features(num_chunks=1)).statistics()
    for copies in (1e4, 1e7):
        many = Statistics((one.S.double() * copies).float(), (one.M.double() * copies).float())
        many.S[:, :, 0, 1] *= 1 + 6e-8  # float32 products are not symmetric to the last bit
        B = hypernetwork.write(many)
        assert B.isfinite().all()


def test_a_config_of_lorify_0_1_loads_without_reading_layers():
    config = AssociativeConfig(base_name="tiny", base_digest="d", hidden_size=D, input_size=F, layers=(0, 1))
    old = config.model_dump() | {"reading_layers": [], "reading_modules": [], "reading_rank": 16}
    assert AssociativeConfig.model_validate(old) == config
    module = {"name": "q_proj", "input_size": 4, "output_size": 4}
    with pytest.raises(ValidationError, match=r"reading_modules was removed in lorify 0\.2"):
        AssociativeConfig.model_validate(old | {"reading_layers": [1], "reading_modules": [module]})
