import json

import pytest
from tiny import tiny_base

from lorify.answering.answerer import Answer, Answerer
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.data.benchmarks.published import published_benchmarks
from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.benchmarks import BenchmarksSuite
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork

OPENING = "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
QUESTION = "P.\n\nQuestion: is it?\n\nPlease answer with either `true` or `false` without any explanation."
CLOSING = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    base = tiny_base()
    base.window_tokens = 8192  # examples of BoolQ are long for a tokenizer of bytes
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16)
    folder = tmp_path_factory.mktemp("hypernetwork") / "tasks"
    TEXT_TO_LORA.save(folder, config, build_task_hypernetwork(config))
    return Lorify(base, None, folder)


@pytest.fixture
def folder(tmp_path):
    rows = {
        "boolq": {"passage": "P.", "question": "is it", "answer": True},
        "gsm8k": {"question": "How many?", "answer": "#### 4"},
    }
    for name, row in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path


def ask(model, suite, methods, monkeypatch):
    """Answer every question with `true`, and return the answers and the prompts in the order they were asked."""
    prompts = []

    def answer(self, plans, options, *, with_confidence=False):
        prompts.extend((plan.is_on, self.base.tokenizer.decode(list(plan.prompt_ids))) for plan in plans)
        return [Answer("true", plan.is_on) for plan in plans]

    monkeypatch.setattr(Answerer, "answer", answer)
    chosen = parse_methods(methods, "tasks")
    return answer_cases(model, suite.build(model), chosen, max_new_tokens=4, timed=False), prompts[1:]  # the warm-up


def test_every_row_of_the_paper_has_its_published_prompt(model, folder, monkeypatch):
    boolq = published_benchmarks()["boolq"]
    suite = BenchmarksSuite(names=("boolq",), path=folder, descriptions=1)
    expected = {
        "none": QUESTION + CLOSING,
        "description": f"{boolq.descriptions[0]}\n\n{QUESTION}{CLOSING}",
        "three_shot": f"{boolq.examples}\n\n{QUESTION}{CLOSING}Answer:",
        "description:examples=true": f"{boolq.descriptions[0]}\n\n{boolq.examples}\n\n{QUESTION}{CLOSING}Answer:",
        "adapter": QUESTION + CLOSING,
        "adapter:examples=true": f"{boolq.examples}\n\n{QUESTION}{CLOSING}Answer:",
        "mismatched": QUESTION + CLOSING,
        "random": QUESTION + CLOSING,
        "hyperdecoders": QUESTION + CLOSING,
    }
    for method, text in expected.items():
        answers, prompts = ask(model, suite, method, monkeypatch)
        assert [answer.score for answer in answers] == [1.0]
        assert prompts == [(method.partition(":")[0] not in ("none", "description", "three_shot"), OPENING + text)], (
            method
        )


def test_gsm8k_shows_neither_examples_nor_a_description(model, folder, monkeypatch):
    suite = BenchmarksSuite(names=("gsm8k",), path=folder, descriptions=1)
    text = f"{OPENING}Please answer the following question: How many?\n\n{CLOSING}Let's think step by step."
    for method in ("none", "description", "three_shot"):
        assert ask(model, suite, method, monkeypatch)[1] == [(False, text)]


def test_methods_that_read_no_description_are_asked_once(model, folder, monkeypatch):
    suite = BenchmarksSuite(names=("boolq",), path=folder)
    answers, prompts = ask(model, suite, "none,adapter", monkeypatch)
    assert [(a.method, a.seed) for a in answers] == [
        ("none", 0), ("adapter", 0), ("adapter", 1), ("none", 1), ("none", 2), ("adapter", 2)
    ]  # fmt: skip
    assert [is_on for is_on, _ in prompts].count(False) == 1 and len(prompts) == 4
    assert len({a.description for a in answers if a.method == "adapter"}) == 3


def test_bad_choices_are_named(model, folder):
    with pytest.raises(EvaluationError, match="no benchmark 'chess'"):
        BenchmarksSuite(names=("chess",), path=folder).build(model)
    with pytest.raises(EvaluationError, match="no benchmark 'gsm8k' with a split validation"):
        BenchmarksSuite(names=("gsm8k",), path=folder, split="validation").build(model)
    with pytest.raises(EvaluationError, match="executes programs written by the model"):
        BenchmarksSuite(path=folder).build(model)
