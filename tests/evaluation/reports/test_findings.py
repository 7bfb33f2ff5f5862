import pytest
from made_up_runs import make_answer
from tiny import tiny_base

from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.reports.findings import compare_task_scores, measure_compression, summarize_findings
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import Library, save_library
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    base = tiny_base()
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16)
    folder = tmp_path_factory.mktemp("hypernetwork") / "tasks"
    TEXT_TO_LORA.save(folder, config, build_task_hypernetwork(config))
    return Lorify(base, None, folder)


def compare(scores):
    return compare_task_scores([make_answer(method, score=score) for method, score in scores.items()])


def test_the_adapter_is_compared_with_task_loras_and_mismatched_descriptions():
    found = compare({"none": 0.1, "adapter": 0.6, "mismatched": 0.2, "oracle:path=x": 0.8})
    assert found == {"of_oracle": 0.75, "gain_lost_mismatched": 0.8}


def test_restored_loras_are_compared_with_the_library():
    assert compare({"restored:path=x": 0.72, "oracle:path=x": 0.8}) == {"kept_of_library": 0.9}


def test_other_methods_have_no_findings():
    assert compare({"none": 1.0, "icl": 0.5}) == {}


def test_compression_counts_every_weight(model):
    adapter = model.specialize("Say it.")
    numbers = sum(pair.A.numel() + pair.B.numel() for pair in adapter.weights.values())
    found = measure_compression([adapter] * 3, numbers)
    assert found["library_bytes"] == 12 * numbers and found["times_smaller_than_16_bit"] == 6.0


def test_compression_is_a_finding_if_the_library_and_the_hypernetwork_answered(model, tmp_path):
    save_library(Library({"x": model.specialize("Say x.")}, {"x": ("Say x.",)}), tmp_path / "library")
    both = parse_methods(f"adapter,oracle:path={tmp_path / 'library'}", "tasks")
    answers = [make_answer("adapter", score=0.5), make_answer(both[1].label, score=1.0)]
    found = {row["what"]: row["value"] for row in summarize_findings(answers, model, both)}
    assert found["of_oracle"] == 0.5 and found["library_adapters"] == 1 and found["hypernetwork_bytes"] > 0
    assert "library_adapters" not in {row["what"] for row in summarize_findings(answers, model, both[1:])}
