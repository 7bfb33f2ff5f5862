from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lorify.hypernets.associative.memory import Statistics, TokenMemory, solve_chosen_tokens
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.questions.focus import FocusSolver

L, N, T, D, F = 2, 3, 7, 48, 96


@pytest.fixture
def hypernetwork() -> AssociativeHypernetwork:
    torch.manual_seed(0)
    config = AssociativeConfig(
        base_name="tiny", base_digest="d", hidden_size=D, input_size=F, layers=(0, 1), rank=8, width=16, bias_rank=2
    )
    return AssociativeHypernetwork(config)


@pytest.fixture
def memory() -> TokenMemory:
    generator = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(L, N, T, 8, generator=generator), dim=-1)
    return TokenMemory(keys, torch.randn(L, N, T, D, generator=generator), torch.rand(L, N, T, generator=generator))


@torch.no_grad()
def test_a_focus_on_all_tokens_equally_is_the_adapter_without_focus(hypernetwork, memory):
    wanted = hypernetwork.write(memory.statistics())
    solver = FocusSolver(hypernetwork)
    inverse = torch.cholesky_inverse(hypernetwork.factorize(memory.statistics().S)).float()
    background = replace(
        solver.background(memory.statistics().S, torch.ones(N)), inverse=inverse, min_factor=torch.ones(N)
    )
    torch.testing.assert_close(solver.write(background, memory, torch.ones(N, T)), wanted)


@torch.no_grad()
def test_the_focused_solution_is_the_ridge_solution_of_the_changed_weights(hypernetwork, memory):
    """Other tokens weigh `min_factor` in S and nothing in M."""
    factors = torch.rand(N, T).clamp_min(0.1)
    chosen = torch.arange(0, T, 2)
    some = TokenMemory(memory.keys[:, :, chosen], memory.values[:, :, chosen], memory.weights[:, :, chosen])
    all_factors = torch.full((N, T), 0.1).scatter(1, chosen.expand(N, -1), factors[:, chosen])
    S = replace(memory, weights=memory.weights * all_factors).statistics().S
    M = replace(some, weights=some.weights * factors[:, chosen]).statistics().M
    min_factor = torch.full((N,), 0.1)
    inverse = torch.cholesky_inverse(hypernetwork.factorize(0.1 * memory.statistics().S)).float()
    scale = hypernetwork.output_scale()
    found = solve_chosen_tokens(inverse, some, factors[:, chosen], min_factor, scale=scale)
    wanted = hypernetwork.write(Statistics(S, M))
    torch.testing.assert_close(hypernetwork.append_static_lora(found), wanted)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(4)))
def test_statistics_add_in_any_order(order):
    generator = torch.Generator().manual_seed(1)
    parts = [
        Statistics(torch.randn(1, 1, 3, 3, generator=generator), torch.randn(1, 1, 3, 5, generator=generator))
        for _ in range(4)
    ]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    shuffled = parts[order[0]] + parts[order[1]] + parts[order[2]] + parts[order[3]]
    torch.testing.assert_close(total.M, shuffled.M)
    stacked = Statistics(torch.cat([p.S for p in parts], 1), torch.cat([p.M for p in parts], 1))
    torch.testing.assert_close(stacked.sum(torch.zeros(4, dtype=torch.long), 1).S, total.S)
