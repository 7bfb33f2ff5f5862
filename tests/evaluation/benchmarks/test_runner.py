"""What lm-eval is given and what is made of its samples; with lm-eval itself where it is installed."""

import importlib.util
import json
from pathlib import Path

import pytest
from tiny import tiny_model, tiny_tokenizer

from lorify.base.loading import load_base
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.errors import EvaluationError
from lorify.evaluation.benchmarks.lm_eval_tasks import load_lm_eval
from lorify.evaluation.benchmarks.names import DESCRIPTIONS
from lorify.evaluation.benchmarks.runner import BenchmarkRun
from lorify.evaluation.runs.folder import load_answers, open_run
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    folder = tmp_path_factory.mktemp("models")
    tiny_model().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    base = load_base(str(folder / "base"))
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16)
    TEXT_TO_LORA.save(folder / "tasks", config, build_task_hypernetwork(config))
    return Lorify(base, None, folder / "tasks")


class Recorder:
    """Stands in for lm-eval: records its arguments and finds one right answer."""

    def __init__(self, item):
        self.item = item
        self.calls = []

    def __call__(self, **options):
        adapter = options["model_args"].get("peft")
        self.calls.append((options, adapter and json.loads(Path(adapter, "adapter_config.json").read_text())))
        sample = {"doc_id": 0, "doc": self.item, "target": 0, "filtered_resps": [[-1.0, -2.0]], "acc": 1.0}
        return {"samples": {"x": [sample, sample]}}


def test_lm_eval_gets_the_base_with_the_adapter_of_a_description(model, data_dir, items):
    lm_eval = Recorder(items["arc_easy"])
    run = BenchmarkRun(model, ["arc_easy"], 3, data_dir, 1, lm_eval)
    (bare,) = run.answer_benchmark("arc_easy", "none", 0)
    (answer,) = run.answer_benchmark("arc_easy", "adapter", 1)
    (without, _), (with_adapter, adapter_config) = lm_eval.calls
    assert "peft" not in without["model_args"] and bare.description is None
    assert with_adapter["model_args"]["pretrained"] == model.base.name and adapter_config["peft_type"] == "LORA"
    assert answer.description == DESCRIPTIONS["arc_easy"][1]
    assert (answer.score, answer.family, answer.group, answer.seed) == (1.0, "arc_easy", "arc_easy/0", 1)


def test_the_base_answers_once_and_adapters_once_for_each_description(model, data_dir, items, tmp_path):
    run = BenchmarkRun(model, ["arc_easy"], 2, data_dir, 1, Recorder(items["arc_easy"]))
    folder = tmp_path / "run"
    answers = run.answer(folder=folder, done=open_run(folder, run.config()))
    assert [(a.method, a.seed) for a in answers] == [("none", 0), ("adapter", 0), ("adapter", 1)]
    assert load_answers(folder) == answers


def test_an_interrupted_run_continues(model, data_dir, items):
    lm_eval = Recorder(items["arc_easy"])
    run = BenchmarkRun(model, ["arc_easy"], 2, data_dir, 1, lm_eval)
    answers = run.answer()
    lm_eval.calls.clear()
    reports = []
    assert run.answer(done=answers[:2], report=lambda *parts: reports.append(parts)) == answers
    assert len(lm_eval.calls) == 1 and reports == [(1, 3)] * 3


def test_another_local_copy_is_another_run(model, data_dir):
    run = BenchmarkRun(model, ["arc_easy"], 1, data_dir, None, None)
    before = run.config()
    assert run.config() == before
    (data_dir / "arc_easy.json").write_text("{}")
    assert run.config().items_sha256 != before.items_sha256


def test_a_failure_of_lm_eval_is_one_error(model):
    def offline(**options):
        raise ConnectionError("no route to host")

    with pytest.raises(EvaluationError, match=r"no route to host.*--data"):
        BenchmarkRun(model, ["arc_easy"], 1, None, 1, offline).answer()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
def test_lm_eval_itself_answers_local_copies(model, data_dir, items):
    names = ["arc_easy", "hellaswag", "gsm8k", "humaneval"]
    run = BenchmarkRun(model, names, 1, data_dir, 2, load_lm_eval())
    for name in names:
        for method in ("none", "adapter"):
            answers = run.answer_benchmark(name, method, 0)
            assert [a.question for a in answers] == [items[name]["input"]] * 2
            assert all(0 <= a.score <= 1 for a in answers)
