import torch

from lorify.training.engine.state_cache import StateCache


def test_states_are_computed_once_and_may_be_larger_than_float16_holds(tmp_path):
    texts = [[1, 2], [3]]
    states = {2: torch.tensor([[1e6, -0.5], [0.25, 3.0]]), 1: torch.tensor([[-2e5, 1.0]])}
    cache = StateCache(tmp_path / "states.sqlite", "a base")
    computed = cache.states(texts, lambda missing: [states[len(text)] for text in missing])
    for text, found in zip(texts, computed, strict=True):
        torch.testing.assert_close(found.float(), states[len(text)], rtol=1 / 256, atol=0)

    def fail(missing):
        raise AssertionError(f"computed again: {missing}")

    again = StateCache(tmp_path / "states.sqlite", "a base").states(texts[::-1], fail)
    assert all(torch.equal(a, b) for a, b in zip(again[::-1], computed, strict=True))
