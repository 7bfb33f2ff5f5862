"""Questions of `lorify ask`: what is said of an answer takes one pass over it."""

import io
from dataclasses import replace
from unittest.mock import patch

import pytest
from tiny_lorify import SURE, ForwardPasses, judging_lorify

from lorify import Lorify
from lorify.adapters import AdapterStack
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.plan import Query
from lorify.base.chat.prompts import Message
from lorify.base.decoding.sampling import GenerationOptions
from lorify.commands.asking.ask import print_comparison
from lorify.commands.asking.questions import (
    AnswerStyle,
    answer_json,
    check_combination,
    check_given_choices,
    read_questions,
    stream_answers,
    write_answer,
)
from lorify.contexts.documents import document_from_text
from lorify.data.answers import NOT_STATED
from lorify.errors import LorifyError, RequestError
from lorify.hypernets.relevance import Relevance

OPTIONS = GenerationOptions(4)
MILL = document_from_text("The mill opens at nine. Its owner is Ada.", "mill")
QUESTION = "When does the mill open?"


def passes_of(ask, model: Lorify) -> ForwardPasses:
    stack = AdapterStack.of(model.internalize(MILL))
    with ForwardPasses(model.answerer) as passes:
        ask(model, stack)
    return passes


def test_json_with_confidence_source_and_whether_it_is_stated_takes_one_more_pass_and_one_of_the_reader():
    results = []

    def ask(model, stack):
        results.append(answer_json(model, stack, QUESTION, AnswerStyle(OPTIONS)))

    plain, full = passes_of(ask, judging_lorify(None, None)), passes_of(ask, judging_lorify())
    assert results[1]["sources"] and results[1]["probably_right"] > 0.9
    assert results[0]["answer"] == results[1]["answer"]
    assert full.base == plain.base + 1
    assert full.reader == plain.reader == 1


def test_answers_on_the_terminal_take_one_more_pass_and_one_of_the_reader(capsys):
    def ask(model, stack):
        stream_answers(model, stack, [QUESTION], AnswerStyle(OPTIONS, sources=True))

    plain, full = passes_of(ask, judging_lorify(None, None)), passes_of(ask, judging_lorify())
    assert "mill: " in capsys.readouterr().out
    assert full.base == plain.base + 1
    assert full.reader == plain.reader == 1


def test_all_sources_gives_the_answer_of_each_document_in_text_and_json(capsys):
    model = judging_lorify(None, None)
    later = document_from_text("The mill opens at ten.", "later")
    stack = AdapterStack.of(model.internalize(MILL, later))
    stream_answers(model, stack, [QUESTION], AnswerStyle(OPTIONS, all_sources=True))
    written = capsys.readouterr().out
    result = answer_json(model, stack, QUESTION, AnswerStyle(OPTIONS, all_sources=True))
    documents = [source["document"] for answer in result["by_document"] for source in answer["sources"]]
    assert documents and all(f"{document}: " in written for document in documents)
    assert "by_document" not in answer_json(model, stack, QUESTION, AnswerStyle(OPTIONS))


def test_a_chat_notes_what_the_base_says_alone_and_warns_of_doubtful_answers(capsys):
    unsure = ConfidenceModel(**SURE.model_dump() | {"bias": -9.0})
    for model, question, expected in (
        (judging_lorify(unsure, None), QUESTION, "may not hold this"),
        (strict_lorify(), "Qqq zzz xxx?", "does not seem to be about the documents"),
    ):
        stack = AdapterStack.of(model.internalize(MILL))
        chat = [Message(role="user", content=question)]
        request = model.answerer.chat_request(chat, stack, not_stated="Not said.")
        answer = write_answer(model, request, AnswerStyle(OPTIONS))
        written = capsys.readouterr()
        assert written.out.strip() == answer
        assert expected in " ".join(written.err.split())


def test_grounded_questions_about_other_things_are_declined(capsys):
    model = strict_lorify()
    stack = AdapterStack.of(model.internalize(MILL))
    style = AnswerStyle(GenerationOptions(40), grounded=True)
    stream_answers(model, stack, ["Qqq zzz xxx?"], style)
    written = capsys.readouterr()
    assert written.out.strip() == NOT_STATED and not written.err
    result = answer_json(model, stack, "Qqq zzz xxx?", style)
    assert result["answer"] is None and result["reason"] and result["withheld"] is None and not result["adapter_on"]


def strict_lorify() -> Lorify:
    """A model that takes only questions of its documents' words for questions about them."""
    model = judging_lorify()
    relevance = Relevance(threshold=1.0, unseen_weight=1.0, weights={})
    return Lorify(model.base, replace(model.internalizer, relevance=relevance))


@pytest.mark.parametrize("option", ["sources", "all_sources"])
def test_choices_have_no_sources(option):
    shown = f"--{option.replace('_', '-')}"
    with pytest.raises(RequestError, match=f"^{shown} quotes .*; leave out --choice or {shown}$"):
        check_given_choices(["yes", "no"], ["Is it?"], **{option: True})


def combination(**given):
    plain = {"choices": None, "schema": False, "sources": False, "all_sources": False, "not_stated": NOT_STATED}
    plain["grounded"] = False
    check_combination(**plain | given)


def test_options_that_would_be_ignored_are_refused():
    combination(sources=True, all_sources=True, not_stated="Unknown.")
    combination(schema=True, not_stated="")
    combination(choices=["a", "b"], has_documents=False)
    for option in ("sources", "all_sources"):
        with pytest.raises(RequestError, match=f"^--{option.replace('_', '-')} is about documents, and there is none"):
            combination(**{option: True}, has_documents=False)
    with pytest.raises(RequestError, match=r"^--not-stated is about documents"):
        combination(not_stated="Unknown.", has_documents=False)
    for name, value in {"--choice": {"choices": ["a", "b"]}, "--schema": {"schema": True}}.items():
        with pytest.raises(RequestError, match=f"not be an answer that {name} allows; leave one out"):
            combination(not_stated="Unknown.", **value)
        with pytest.raises(RequestError, match=f"the reply of --grounded would not be an answer that {name} allows"):
            combination(grounded=True, **value)
    with pytest.raises(RequestError, match=r"^--grounded replies with the text of --not-stated, which is empty"):
        combination(grounded=True, not_stated="")
    with pytest.raises(RequestError, match=r"^--grounded is about documents"):
        combination(grounded=True, has_documents=False)


def test_an_answer_that_the_window_cuts_off_is_noted(capsys):
    model = judging_lorify()
    request = model.answerer.request(Query("Why? " * 80))
    with patch.object(type(model.answerer), "is_cut_by_window", return_value=True):
        write_answer(model, request, AnswerStyle(OPTIONS))
        answer_json(model, AdapterStack(), "Why?", AnswerStyle(OPTIONS))
    noted = " ".join(capsys.readouterr().err.split())
    assert noted.count("the answer was cut off, since prompt and answer fill the window of 512 tokens") == 2


def test_a_comparison_shows_the_sources_of_the_adapters_answer(capsys):
    side = {"answer": "base", "seconds": 1.0}
    source = {"document": "mill", "sentence": "The mill opens at\nnine."}
    result = side | {
        "question": "When?",
        "adapter_on": True,
        "answer": "nine",
        "sources": [source],
        "base_alone": side,
        "document_in_prompt": None,
    }
    print_comparison([result], sources=False)
    assert "mill" not in capsys.readouterr().out
    print_comparison([result], sources=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].strip() == 'mill: "The mill opens at nine."'
    assert [line.split()[0] for line in lines[2:6:2]] == ["adapter", "base"]
    print_comparison([result | {"by_document": [{"answer": "ten", "sources": [source]}]}], sources=True)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[3:5]] == ["ten", lines[3].strip()]


def test_an_empty_question_is_refused():
    with pytest.raises(LorifyError, match=r"^a question is empty; give each -q a text$"):
        read_questions(["Who?", " "], required=False)


def test_quit_ends_questions_on_standard_input(monkeypatch):
    text = "Who?\n\n/quit\nWhen?\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert read_questions(None, required=False) == ["Who?"]
