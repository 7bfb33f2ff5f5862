"""Whole runs on a model that reads, and on a random one."""

import json
from dataclasses import replace

import pytest
import torch
from tiny_lorify import Reader

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError, HypernetworkError
from lorify.evaluation.answering import answer_cases
from lorify.evaluation.cases import cases_from_examples
from lorify.evaluation.methods import parse_methods
from lorify.evaluation.runs import ANSWERS_NAME, load_answers, open_run, run_config
from lorify.evaluation.suites import AgreementSuite, FactsSuite, NiahSuite
from lorify.facade import Lorify
from lorify.hypernets.relevance import Relevance

MILL = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "mill")
METHODS = parse_methods("none,icl,adapter")


def ask(model, cases, methods=METHODS, **options):
    return answer_cases(model, cases, methods, max_new_tokens=4, **options)


def comparable(answers):
    """What has to be the same in every run: all but what is measured."""
    measured = {"update_seconds", "update_peak_bytes", "first_token_seconds", "seconds_per_token", "answer_peak_bytes"}
    return sorted(a.model_dump_json(exclude=measured) for a in answers)


def test_each_method_answers_each_question_and_is_scored():
    answers = ask(Reader(), cases_from_examples(Reader().base, [MILL]), timed=False)
    assert {a.method: a.exact for a in answers} == {"none": 0.0, "icl": 1.0, "adapter": 1.0}
    assert {a.method: a.adapter_bytes for a in answers} == {"none": 0, "icl": 0, "adapter": 7}


def test_needles_of_every_length_and_depth_are_found():
    seen = []
    cases = NiahSuite(lengths=(300, 600), bins=4).build(Reader())
    answers = ask(Reader(), cases, parse_methods("adapter"), timed=False, report=lambda *done: seen.append(done))
    assert [a.exact for a in answers] == [1.0] * 8
    assert sum(done for done, _ in seen) == 8 and seen[-1][1] == 8


def test_unrelated_prompts_are_compared_with_the_bare_base():
    model = Reader()
    cases = AgreementSuite(documents=1, prompts=6).build(model)
    on = parse_methods("adapter,adapter:only_if_relevant=false")
    model.internalize = lambda *documents: type("Always", (), {"text": "the mill", "num_bytes": 1})()
    gated, always = ([a.f1 for a in ask(model, cases, on, timed=False) if a.method == m.label] for m in on)
    assert gated == [1.0] * 6 and always == [0.0] * 6


def test_a_timed_run_on_a_random_base_measures_the_first_question_of_each_case(model):
    cases = FactsSuite(documents=2, questions=3).build(model)
    answers = ask(model, cases, parse_methods("none,icl,rag:chunks=1,adapter,outer"))
    assert len(answers) == 5 * 6
    for answer in answers:
        assert (answer.first_token_seconds is not None) == (answer.index == 0)
    first = {a.method: a for a in answers if a.index == 0}
    assert first["icl"].prompt_tokens > first["rag:chunks=1"].prompt_tokens > first["none"].prompt_tokens
    assert first["icl"].kv_cache_bytes > first["none"].kv_cache_bytes > 0
    assert first["adapter"].adapter_bytes == first["outer"].adapter_bytes > first["icl"].adapter_bytes == 0
    assert all(a.update_seconds >= 0 for a in answers)


@pytest.mark.parametrize("timed", [False, True])
def test_the_same_run_gives_the_same_answers(model, timed):
    cases = FactsSuite(documents=2, questions=3).build(model)
    assert comparable(ask(model, cases, timed=timed)) == comparable(ask(model, cases, timed=timed))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("cut", [1, 7, 200])
def test_an_interrupted_run_goes_on_and_nothing_is_there_twice(model, tmp_path, timed, cut):
    cases = FactsSuite(documents=3, questions=3).build(model)
    config = run_config(model, "facts", cases, METHODS, max_new_tokens=4, timed=timed)
    whole = ask(model, cases, timed=timed, folder=tmp_path, done=open_run(tmp_path, config))
    path = tmp_path / ANSWERS_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(whole) == 27
    path.write_bytes(b"".join(lines[: cut // 10 + 1]) + lines[cut // 10 + 1][:cut])  # killed while writing a line
    again = ask(model, cases, timed=timed, folder=tmp_path, done=open_run(tmp_path, config))
    assert comparable(again) == comparable(whole) == comparable(load_answers(tmp_path))


def test_a_run_does_not_go_on_with_other_weights_of_a_hypernetwork_that_a_method_names(model, tmp_path):
    folder, methods = tmp_path / "mine", parse_methods(f"none,adapter:hypernet={tmp_path / 'mine'}")
    cases = FactsSuite(documents=1, questions=1).build(model)
    with pytest.raises(HypernetworkError, match="mine is no hypernetwork"):
        run_config(model, "facts", cases, methods, max_new_tokens=4, timed=False)
    folder.mkdir()
    for weights, other in ((b"first", False), (b"second", True)):
        (folder / "hypernetwork.safetensors").write_bytes(weights)
        config = run_config(model, "facts", cases, methods, max_new_tokens=4, timed=False)
        if other:
            with pytest.raises(EvaluationError, match="own_hypernetworks"):
                open_run(tmp_path / "run", config)
        else:
            assert open_run(tmp_path / "run", config) == []


def test_what_was_answered_is_not_asked_again(tmp_path):
    model = Reader()
    cases = cases_from_examples(model.base, [MILL])
    done = ask(model, cases, timed=False)
    model.asked.clear()
    assert ask(model, cases, timed=False, done=done) == done
    assert model.asked == []


def test_a_stopped_run_keeps_the_answers_of_finished_cases(model, tmp_path):
    cases = FactsSuite(documents=3, questions=2).build(model)
    config = run_config(model, "facts", cases, METHODS, max_new_tokens=4, timed=True)
    given = 0

    def stop(new, total):
        nonlocal given
        given += new
        if given >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(model, cases, folder=tmp_path, done=open_run(tmp_path, config), report=stop)
    assert len(load_answers(tmp_path)) == 6


def test_an_item_longer_than_the_window_is_cut_for_the_prompt_and_read_whole_by_the_adapter(model):
    long = Example((" ".join(f"Room {i} is red." for i in range(200)),), MILL.questions, "long")
    (case,) = cases_from_examples(model.base, [long])
    assert case.length_tokens > model.base.window_tokens
    icl, adapter = ask(model, [case], parse_methods("icl,adapter"))
    assert icl.prompt_tokens <= model.base.window_tokens - 4
    assert adapter.prompt_tokens < 60


def test_a_question_longer_than_the_window_is_refused(model):
    question = Question("why " * 300, ("so",))
    cases = cases_from_examples(model.base, [Example(MILL.documents, (question,), "long")])
    with pytest.raises(EvaluationError, match="does not fit the base's window of 512"):
        ask(model, cases, parse_methods("icl"))


def test_the_compressor_that_is_not_installed_is_named(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llmlingua", None)
    with pytest.raises(EvaluationError, match=r"lorify\[llmlingua\]"):
        ask(model, cases_from_examples(model.base, [MILL]), parse_methods("llmlingua2"))


def test_answers_are_lines_of_json(model, tmp_path):
    cases = cases_from_examples(model.base, [MILL])
    config = run_config(model, "mill", cases, METHODS, max_new_tokens=4, timed=False)
    ask(model, cases, timed=False, folder=tmp_path, done=open_run(tmp_path, config))
    rows = [json.loads(line) for line in (tmp_path / ANSWERS_NAME).read_text().splitlines()]
    assert [row["method"] for row in rows] == ["none", "icl", "adapter"]
    assert torch.tensor([row["f1"] for row in rows]).isfinite().all()


def test_distillation_of_every_kind_runs(model):
    cases = FactsSuite(documents=1, questions=2).build(model)
    kinds = [
        f"{start}:lessons={kind}"
        for start in ("cd", "adapter+refine")
        for kind in ("generated", "oracle", "statements")
    ]
    options = ":queries=2:steps=2:batch=2:answer_tokens=3"
    answers = ask(model, cases, parse_methods(",".join(kind + options for kind in kinds)), timed=False)
    assert len(answers) == 2 * len(kinds)
    assert all(a.adapter_bytes > 0 for a in answers)


def test_an_adapter_that_is_refined_by_no_step_answers_each_question_as_before(model):
    relevance = Relevance(threshold=0.01, unseen_weight=5.0, weights={})
    model = Lorify(model.base, replace(model.internalizer, relevance=relevance))
    (case,) = FactsSuite(documents=1, questions=2).build(model)
    asked = case.questions[0].text
    methods = parse_methods("adapter,adapter:focus=false,adapter+refine:steps=0")
    plain, same_for_all, refined = (method.load(model, 4)(case).prompt_for(asked).adapter for method in methods)
    for key, pair in plain.weights.items():
        torch.testing.assert_close(refined.weights[key].B, pair.B)
    assert any(not torch.allclose(pair.B, same_for_all.weights[key].B) for key, pair in plain.weights.items())
