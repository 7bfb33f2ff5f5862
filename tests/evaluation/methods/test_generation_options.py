import pytest
import torch
from serving.tiny_lorify import perceiver_lorify

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError, HypernetworkError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.suites.cases import Case, cases_from_examples
from lorify.facade import Lorify


@pytest.fixture(scope="module")
def perceiver(tmp_path_factory) -> Lorify:
    return perceiver_lorify(tmp_path_factory.mktemp("hypernets"))


@pytest.fixture(scope="module")
def case(perceiver) -> Case:
    text = "The mill opens at nine, and Ada keeps bees there. " * 4
    (made,) = cases_from_examples(perceiver.base, [Example((text,), (Question("When?", ("nine",)),), "mill")])
    return made


def adapter_of(model: Lorify, case: Case, method: str):
    (chosen,) = parse_methods(method)
    return chosen.load(model, 4)(case).adapter


def test_the_chunk_length_is_an_option(perceiver, case):
    rank = perceiver.internalizer.config.rank
    ranks = {
        method: next(iter(adapter_of(perceiver, case, method).weights.values())).rank
        for method in ("adapter:chunk_tokens=8192", "adapter:chunk_tokens=150")
    }
    # One chunk, or two, and the bias adapter.
    assert list(ranks.values()) == [2 * rank, 3 * rank]


def test_block_by_block_gives_the_same_adapter(perceiver, case):
    at_once, by_block = (adapter_of(perceiver, case, f"adapter:iterative={value}") for value in ("false", "true"))
    for key, pair in at_once.weights.items():
        torch.testing.assert_close(by_block.weights[key].A, pair.A, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(by_block.weights[key].B, pair.B, rtol=1e-4, atol=1e-5)


def test_the_shared_adapter_is_scaled(perceiver, case):
    whole, scaled = (adapter_of(perceiver, case, f"adapter{option}") for option in ("", ":bias_scale=-2"))
    rank = perceiver.internalizer.config.rank
    for key, pair in whole.weights.items():
        torch.testing.assert_close(scaled.weights[key].A[:-rank], pair.A[:-rank])
        torch.testing.assert_close(scaled.weights[key].A[-rank:], -2 * pair.A[-rank:])
    with pytest.raises(EvaluationError, match="bias_scale"):
        parse_methods("adapter:bias_scale=3")


def test_other_hypernetworks_refuse_the_options(model, case):
    with pytest.raises(HypernetworkError, match=r"hypernetwork tiny has no option iterative.* no options"):
        parse_methods("adapter:iterative=true")[0].load(model, 4)
