"""Benchmarks: what lm-eval is given and what is made of its samples; with lm-eval itself where it is installed."""

import importlib.util
import json
from pathlib import Path

import pytest
from tiny import tiny_model, tiny_tokenizer

from lorify.base.model import load_base
from lorify.contexts.descriptions import BaseEncoder
from lorify.errors import EvaluationError
from lorify.evaluation.suites.benchmarks import (
    DESCRIPTIONS,
    answer_benchmark,
    check_benchmarks,
    load_lm_eval,
    local_task,
    passes_tests,
    program_of,
)
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.checkpoint import save_task_hypernetwork
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork

CHOICE = {
    "input": "Hot is?\nA. warm\nB. cold\nAnswer:",
    "outputs": ["A"],
    "choices": ["warm", "cold"],
    "answer_index": 0,
}
ENDING = {"input": "The cat", "outputs": ["sleeps."], "choices": ["sleeps.", "is a mill."], "answer_index": 0}
NUMBER = {"input": "2 + 2?", "outputs": ["4"]}
PROGRAM = {
    "input": "def double(x):\n",
    "outputs": ["    return 2 * x\n"],
    "test": "def check(f):\n    assert f(2) == 4\n",
    "entry_point": "double",
}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, instance in (
        ("arc_easy", CHOICE),
        ("hellaswag", ENDING),
        ("gsm8k", NUMBER),
        ("humaneval", PROGRAM),
        ("mbpp", {"input": "Double it.", "outputs": ["x"], "test_list": ["assert double(2) == 4"]}),
    ):
        task = {"name": name, "definition": "Do it.", "instances": [instance, instance]}
        (folder / f"{name}.json").write_text(json.dumps(task))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    folder = tmp_path_factory.mktemp("models")
    tiny_model().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    base = load_base(str(folder / "base"), device="cpu")
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16)
    save_task_hypernetwork(folder / "tasks", config, build_task_hypernetwork(config))
    return Lorify(base, None, folder / "tasks")


def test_all_ten_benchmarks_have_three_descriptions():
    assert len(DESCRIPTIONS) == 10 and all(len(set(texts)) == 3 for texts in DESCRIPTIONS.values())


def test_lm_eval_gets_the_base_with_the_adapter_of_a_description(model, data):
    calls = []

    def simple_evaluate(**options):
        adapter = options["model_args"].get("peft")
        calls.append((options, adapter and json.loads(Path(adapter, "adapter_config.json").read_text())))
        sample = {"doc_id": 0, "doc": CHOICE, "target": 0, "filtered_resps": [[-1.0, -2.0]], "acc": 1.0}
        return {"samples": {"x": [sample, sample]}}

    options = {"data_dir": data, "limit": 1, "simple_evaluate": simple_evaluate}
    (bare,) = answer_benchmark(model, "arc_easy", "none", 0, **options)
    (answer,) = answer_benchmark(model, "arc_easy", "adapter", 1, **options)
    assert "peft" not in calls[0][0]["model_args"] and bare.description is None
    assert calls[1][0]["model_args"]["pretrained"] == model.base.name and calls[1][1]["peft_type"] == "LORA"
    assert answer.description == DESCRIPTIONS["arc_easy"][1]
    assert (answer.score, answer.family, answer.group, answer.seed) == (1.0, "arc_easy", "arc_easy/0", 1)


def test_options_with_letters_are_chosen_by_letter_and_endings_as_they_are(data):
    assert "'A'" in local_task("arc_easy", data)["doc_to_choice"]
    assert local_task("hellaswag", data)["doc_to_choice"] == "{{choices}}"
    score = local_task("gsm8k", data)["process_results"]
    assert score(NUMBER, [["so 2 + 2 = 4."]]) == {"acc": 1.0} and score(NUMBER, ["5"]) == {"acc": 0.0}


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("    return 2 * x\n", True),
        ("```python\ndef double(x):\n    return x + x\n```\nThat doubles it.", True),
        ("    return x\n", False),
        ("    while True: pass\n", False),
    ],
)
def test_programs_pass_if_their_tests_do(answer, passes):
    assert passes_tests(program_of(PROGRAM, answer), seconds=2.0) is passes


def test_a_program_of_mbpp_is_run_with_its_assertions():
    document = {"test_setup_code": "import math", "test_list": ["assert double(2) == 4", "assert math.pi > 3"]}
    assert passes_tests(program_of(document, "def double(x):\n    return 2 * x"))
    assert not passes_tests(program_of(document, "def double(x):\n    return x"))


def test_what_cannot_be_run_is_said(data, model, monkeypatch):
    for names, reason in (("arc", "choose from arc_challenge"), ("piqa", r"no piqa\.json"), ("mbpp", "--run-programs")):
        with pytest.raises(EvaluationError, match=reason):
            check_benchmarks([names], data, run_programs=False)
    check_benchmarks(["mbpp", "arc_easy"], data, run_programs=True)
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)
    with pytest.raises(EvaluationError, match=r"lorify\[bench\]"):
        load_lm_eval()

    def offline(**options):
        raise ConnectionError("no route to host")

    with pytest.raises(EvaluationError, match=r"no route to host.*--data"):
        answer_benchmark(model, "arc_easy", "none", 0, data_dir=None, limit=1, simple_evaluate=offline)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
def test_lm_eval_itself_answers_local_copies(model, data):
    for name, instance in (("arc_easy", CHOICE), ("hellaswag", ENDING), ("gsm8k", NUMBER), ("humaneval", PROGRAM)):
        for method in ("none", "adapter"):
            answers = answer_benchmark(model, name, method, 0, data_dir=data, limit=2, simple_evaluate=load_lm_eval())
            assert [a.question for a in answers] == [instance["input"]] * 2
            assert all(0 <= a.score <= 1 for a in answers)
