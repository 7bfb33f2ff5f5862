"""Whole runs, on a model that reads its documents and on a random one."""

import json
from dataclasses import replace

import pytest
import torch
from tiny_lorify import Reader, text_adapter

from lorify.answering.plan import Query
from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError, HypernetworkError
from lorify.evaluation.methods.api import PreparedCase
from lorify.evaluation.methods.in_prompt import NoContext
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.folder import ANSWERS_NAME, load_answers, open_run
from lorify.evaluation.runs.records import run_config
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.agreement import AgreementSuite
from lorify.evaluation.suites.cases import cases_from_examples
from lorify.evaluation.suites.facts import FactsSuite
from lorify.evaluation.suites.niah import NiahSuite

MILL = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "mill")
METHODS = parse_methods("none,icl,adapter")


def ask(model, cases, methods=METHODS, **options):
    return answer_cases(model, cases, methods, max_new_tokens=4, **options)


def comparable(answers):
    """Serialize answers without the measured times and sizes, in a fixed order."""
    measured = {"update_seconds", "update_peak_bytes", "first_token_seconds", "seconds_per_token", "answer_peak_bytes"}
    return sorted(a.model_dump_json(exclude=measured) for a in answers)


def test_each_method_answers_each_question_and_is_scored():
    answers = ask(Reader(), cases_from_examples(Reader().base, [MILL]), timed=False)
    assert {a.method: a.exact for a in answers} == {"none": 0.0, "icl": 1.0, "adapter": 1.0}
    assert {a.method: a.adapter_bytes for a in answers} == {"none": 0, "icl": 0, "adapter": 7}


def test_methods_take_turns_and_each_is_first_equally_often(model):
    done = []

    class Recording(NoContext):
        def load(self, model, max_new_tokens):
            def ingest(case):
                done.append(("ingest", self.name, case.id))
                return PreparedCase(lambda question: done.append(("ask", self.name, case.id)) or Query(question))

            return ingest

    names = ("first", "second", "third")
    methods = [type(name.title(), (Recording,), {"name": name, "__module__": __name__})() for name in names]
    cases = FactsSuite(documents=6, questions=1).build(model)
    ask(model, cases, methods)
    # All methods ingest and answer a case before the next case starts.
    assert [case for kind, _, case in done if kind == "ask"] == [case.id for case in cases for _ in methods]
    assert [entry[1:] for entry in done if entry[0] == "ingest"] == [entry[1:] for entry in done if entry[0] == "ask"]
    orders = [tuple(method for kind, method, case in done if kind == "ask" and case == c.id) for c in cases]
    assert all(sorted(order) == sorted(names) for order in orders)
    for position in range(3):
        assert sorted(order[position] for order in orders) == sorted(names * 2)


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
    model.internalize = lambda *documents, **options: text_adapter("the mill")
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
    assert first["adapter"].kept_bytes > first["icl"].kept_bytes == 0
    assert first["adapter"].adapter_bytes == first["icl"].adapter_bytes == 0  # rebuilt from what is kept
    assert all(a.update_seconds >= 0 for a in answers)


@pytest.mark.parametrize("timed", [False, True])
def test_the_same_run_gives_the_same_answers(model, timed):
    cases = FactsSuite(documents=2, questions=3).build(model)
    assert comparable(ask(model, cases, timed=timed)) == comparable(ask(model, cases, timed=timed))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("cut", [1, 7, 200])
def test_an_interrupted_run_continues_without_duplicates(model, tmp_path, timed, cut):
    cases = FactsSuite(documents=3, questions=3).build(model)
    config = run_config(model, "facts", cases, METHODS, max_new_tokens=4, timed=timed)
    whole = ask(model, cases, timed=timed, folder=tmp_path, done=open_run(tmp_path, config))
    path = tmp_path / ANSWERS_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(whole) == 27
    path.write_bytes(b"".join(lines[: cut // 10 + 1]) + lines[cut // 10 + 1][:cut])  # killed while writing a line
    again = ask(model, cases, timed=timed, folder=tmp_path, done=open_run(tmp_path, config))
    assert comparable(again) == comparable(whole) == comparable(load_answers(tmp_path))


def test_a_run_does_not_continue_with_other_weights_of_a_methods_own_hypernetwork(model, tmp_path):
    folder, methods = tmp_path / "mine", parse_methods(f"none,adapter:hypernetwork={tmp_path / 'mine'}")
    cases = FactsSuite(documents=1, questions=1).build(model)
    with pytest.raises(HypernetworkError, match="mine is not a hypernetwork"):
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


def test_answered_questions_are_not_asked_again(tmp_path):
    model = Reader()
    cases = cases_from_examples(model.base, [MILL])
    done = ask(model, cases, timed=False)
    model.answerer.asked.clear()
    assert ask(model, cases, timed=False, done=done) == done
    assert model.answerer.asked == []


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


def test_a_document_longer_than_the_window_is_cut_for_the_prompt_but_not_for_the_adapter(model):
    long = Example((" ".join(f"Room {i} is red." for i in range(200)),), MILL.questions, "long")
    (case,) = cases_from_examples(model.base, [long])
    assert case.length_tokens > model.base.window_tokens
    icl, adapter = ask(model, [case], parse_methods("icl,adapter"))
    assert icl.prompt_tokens <= model.base.window_tokens - 4
    assert adapter.prompt_tokens < 60


LONG = Example(MILL.documents, (MILL.questions[0], Question("why\n" * 300, ("so",))), "long")


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("method", ["none", "icl", "adapter"])
def test_a_question_longer_than_the_window_is_named_before_any_is_asked(model, tmp_path, method, timed):
    cases, methods = cases_from_examples(model.base, [MILL, LONG]), parse_methods(method)
    config = run_config(model, "long", cases, methods, max_new_tokens=4, timed=timed)
    expected = r"question 2 of case long-1, 'why\\nwhy.* does not fit the base's window of 512; leave it out"
    with pytest.raises(EvaluationError, match=expected) as raised:
        ask(model, cases, methods, timed=timed, folder=tmp_path, done=open_run(tmp_path, config))
    assert "\n" not in str(raised.value)
    assert load_answers(tmp_path) == []


def test_earlier_answers_are_kept_when_a_question_is_too_long(model, tmp_path):
    """Older versions checked the length of a question only when they reached it."""
    cases = cases_from_examples(model.base, [MILL, LONG])
    config = run_config(model, "long", cases, METHODS, max_new_tokens=4, timed=True)
    answered = ask(model, cases[:1], folder=tmp_path, done=open_run(tmp_path, config))
    with pytest.raises(EvaluationError, match="question 2 of case long-1"):
        ask(model, cases, folder=tmp_path, done=open_run(tmp_path, config))
    assert load_answers(tmp_path) == answered != []
    short = [cases[0], replace(cases[1], questions=MILL.questions)]
    assert ask(model, short, folder=tmp_path, done=load_answers(tmp_path))[: len(answered)] == answered


def test_answers_are_lines_of_json(model, tmp_path):
    cases = cases_from_examples(model.base, [MILL])
    config = run_config(model, "mill", cases, METHODS, max_new_tokens=4, timed=False)
    ask(model, cases, timed=False, folder=tmp_path, done=open_run(tmp_path, config))
    rows = [json.loads(line) for line in (tmp_path / ANSWERS_NAME).read_text().splitlines()]
    assert [row["method"] for row in rows] == ["none", "icl", "adapter"]
    assert torch.tensor([row["f1"] for row in rows]).isfinite().all()


def test_a_question_of_a_chat_follows_its_earlier_turns_with_the_document_before_the_first(model):
    class Listening(Reader):
        def __init__(self):
            super().__init__()
            self.requests = []
            plan = self.answerer.plan
            self.answerer.plan = lambda requests: self.requests.extend(requests) or plan(requests)

    asked = Question("And when does it close?", ("six",), turns=(("When does the mill open?", "At nine."),))
    chat = Example(("The mill opens at nine and closes at six.",), (asked,), "mill")
    reader = Listening()
    ask(reader, cases_from_examples(reader.base, [chat]), METHODS, timed=False)
    prompts = [reader.base.decode_text(request.prompt_ids) for request in reader.requests]
    chats = [prompt for prompt in prompts if "And when does it close?" in prompt]
    assert len(chats) == 3
    for prompt in chats:
        assert prompt.index("When does the mill open?") < prompt.index("At nine.") < prompt.index("And when")
    (in_prompt,) = (prompt for prompt in chats if "closes at six" in prompt)
    assert in_prompt.index("closes at six") < in_prompt.index("When does the mill open?")
    of_adapters = {request.question for request in reader.requests if not request.adapters.is_empty}
    assert of_adapters == {"When does the mill open?\nAnd when does it close?"}
