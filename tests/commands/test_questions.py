"""Questions of `lorify ask`: what is said of an answer takes one pass over it."""

from tiny_lorify import ForwardPasses, judging_lorify

from lorify import Lorify
from lorify.adapters import AdapterStack
from lorify.base.decoding.sampling import GenerationOptions
from lorify.commands.questions import answer_json, stream_answers
from lorify.contexts.documents import document_from_text

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
        results.append(answer_json(model, stack, QUESTION, OPTIONS))

    plain, full = passes_of(ask, judging_lorify(None, None)), passes_of(ask, judging_lorify())
    assert results[1]["sources"] and results[1]["probably_right"] > 0.9
    assert results[0]["answer"] == results[1]["answer"]
    assert full.base == plain.base + 1
    assert full.reader == plain.reader == 1


def test_answers_on_the_terminal_take_one_more_pass_and_one_of_the_reader(capsys):
    def ask(model, stack):
        stream_answers(model, stack, [QUESTION], OPTIONS, sources=True)

    plain, full = passes_of(ask, judging_lorify(None, None)), passes_of(ask, judging_lorify())
    assert "mill: " in capsys.readouterr().out
    assert full.base == plain.base + 1
    assert full.reader == plain.reader == 1


def test_all_sources_gives_the_answer_of_each_document_in_text_and_json(capsys):
    model = judging_lorify(None, None)
    later = document_from_text("The mill opens at ten.", "later")
    stack = AdapterStack.of(model.internalize(MILL, later))
    stream_answers(model, stack, [QUESTION], OPTIONS, all_sources=True)
    written = capsys.readouterr().out
    result = answer_json(model, stack, QUESTION, OPTIONS, all_sources=True)
    documents = [source["document"] for answer in result["by_document"] for source in answer["sources"]]
    assert documents and all(f"{document}: " in written for document in documents)
    assert "by_document" not in answer_json(model, stack, QUESTION, OPTIONS)
