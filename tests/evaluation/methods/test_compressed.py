import sys
from types import ModuleType

import pytest
from tiny_lorify import Reader

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.cases import cases_from_examples

MILL = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "mill")


def ask(model, cases, methods, **options):
    return answer_cases(model, cases, methods, max_new_tokens=4, **options)


def test_the_missing_package_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    with pytest.raises(EvaluationError, match=r"lorify\[llmlingua\]") as raised:
        ask(model, cases_from_examples(model.base, [MILL]), parse_methods("llmlingua2"))
    assert "\n" not in str(raised.value)


@pytest.fixture
def llmlingua(monkeypatch):
    """A stand-in for the package with its signatures, which records its arguments."""
    package = ModuleType("llmlingua")
    package.calls = []

    class PromptCompressor:
        def __init__(self, model_name="gpt2", device_map="cuda", model_config=None, use_llmlingua2=False):
            if model_name == "nowhere":
                raise OSError("nowhere is not a local folder\nand not on the hub")
            package.loaded = {"model_name": model_name, "device_map": device_map, "use_llmlingua2": use_llmlingua2}

        def compress_prompt(self, context, instruction="", question="", rate=0.5, target_token=-1, force_tokens=()):
            package.calls.append((list(context), rate))
            package.kept = list(force_tokens)
            text = "mill nine" if rate == 0.25 else "number magic number is 4711"
            return {"compressed_prompt": text, "origin_tokens": 8, "compressed_tokens": 2, "rate": f"{rate:.1%}"}

    package.PromptCompressor = PromptCompressor
    monkeypatch.setitem(sys.modules, "llmlingua", package)
    return package


def test_documents_are_compressed_at_the_rate_and_answered_from_the_compressed_text(llmlingua):
    model = Reader()
    cases = cases_from_examples(model.base, [Example((*MILL.documents, "It is red."), MILL.questions, "mill")])
    answers = ask(model, cases, parse_methods("llmlingua2:rate=0.25:model=small,llmlingua2"), timed=False)
    assert llmlingua.calls == [(["The mill opens at nine.", "It is red."], 0.25), (list(cases[0].documents), 0.4)]
    assert llmlingua.loaded["use_llmlingua2"] is True and llmlingua.loaded["device_map"] == "cpu"
    assert "llmlingua-2" in llmlingua.loaded["model_name"]
    assert llmlingua.kept == ["\n", "?"]  # as in the reference implementation of Doc-to-LoRA
    # The reader answers from its prompt: the second compressed text does not mention the mill.
    assert [a.prediction for a in answers] == ["nine", "4711"]


def test_the_compressed_text_replaces_the_document_in_the_prompt(llmlingua, model):
    cases = cases_from_examples(model.base, [MILL])
    method, icl = parse_methods("llmlingua2:rate=0.25,icl")
    queries = [m.load(model, 4)(cases[0]).query_for("When?") for m in (method, icl)]
    assert [query.document for query in queries] == ["mill nine", "The mill opens at nine."]
    compressed, whole = ask(model, cases, [method, icl])
    assert compressed.prompt_tokens == whole.prompt_tokens - len("The mill opens at nine.") + len("mill nine")


def test_a_compressor_that_cannot_be_loaded_is_named_in_one_line(llmlingua, model):
    with pytest.raises(EvaluationError, match=r"compressor nowhere cannot be loaded \(nowhere is not") as raised:
        ask(model, cases_from_examples(model.base, [MILL]), parse_methods("llmlingua2:model=nowhere"))
    assert "\n" not in str(raised.value)
