from dataclasses import replace

import torch
from tiny import tiny_base

from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.facts import FactsSuite
from lorify.facade import Lorify
from lorify.hypernets.relevance import Relevance


def test_every_kind_of_training_questions_runs(model):
    cases = FactsSuite(documents=1, questions=2).build(model)
    options = "queries=2:steps=2:batch=2:answer_tokens=3"
    methods = [
        f"{name}:train_on={questions}:{options}"
        for name in ("cd", "adapter+refine")
        for questions in ("generated", "test_questions", "statements")
    ]
    answers = answer_cases(model, cases, parse_methods(",".join(methods)), max_new_tokens=4, timed=False)
    assert len(answers) == 2 * len(methods)
    assert all(a.adapter_bytes > 0 for a in answers)


def test_refining_by_no_step_leaves_the_focused_adapter_unchanged(model):
    relevance = Relevance(threshold=0.01, unseen_weight=5.0, weights={})
    model = Lorify(model.base, replace(model.internalizer, relevance=relevance))
    (case,) = FactsSuite(documents=1, questions=2).build(model)
    asked = case.questions[0].text
    methods = parse_methods("adapter,adapter:focus=false,adapter+refine:steps=0")

    def adapter_of(method):
        (adapter,) = model.answerer.plan_query(method.load(model, 4)(case).query_for(asked)).adapters.adapters
        return adapter

    plain, same_for_all, refined = map(adapter_of, methods)
    for key, pair in plain.weights.items():
        torch.testing.assert_close(refined.weights[key].B, pair.B)
    assert any(not torch.allclose(pair.B, same_for_all.weights[key].B) for key, pair in plain.weights.items())


def test_the_options_of_version_0_1_are_accepted():
    (method,) = parse_methods("cd:lessons=oracle:seconds=5")
    assert method.label == "cd:train_on=test_questions:seconds=5.0"


def test_the_published_baseline_trains_on_the_writers_or_the_tests_questions():
    base = tiny_base()
    base.window_tokens = 8192  # the published prompts are long, and are read byte by byte
    model = Lorify(base, None)
    (case,) = FactsSuite(documents=1, questions=2).build(model)
    options = "epochs=1:batch=1:answer_tokens=2:rank=2"
    methods = f"cd_d2l:train_on=test_questions:{options},cd_d2l:writer=base:rounds=1:{options}"
    answers = answer_cases(model, [case], parse_methods(methods), max_new_tokens=4, timed=False)
    oracle = [a for a in answers if "test_questions" in a.method]
    assert len(oracle) == 2 and all(a.adapter_bytes > 0 for a in oracle)
    assert len(answers) == 4  # a writer of random weights may write nothing; then the bare base is asked
