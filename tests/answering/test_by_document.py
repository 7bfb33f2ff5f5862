from dataclasses import replace

import pytest
from tiny_lorify import tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.by_document import answer_by_document
from lorify.answering.plan import Query
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.facade import Lorify
from lorify.hypernets.relevance import Relevance

OPTIONS = GenerationOptions(4)
QUESTION = "When does the mill open?"
TEXTS = ("The mill opens at nine.", "Now the mill opens at ten, and it closes at six.", "The mill has a red roof.")


@pytest.fixture(scope="module")
def model() -> Lorify:
    tiny = tiny_lorify()
    return Lorify(
        tiny.base, replace(tiny.internalizer, relevance=Relevance(threshold=0.0, unseen_weight=1.0, weights={}))
    )


def by_document(model: Lorify, adapter) -> list:
    request = model.answerer.request(Query(QUESTION, AdapterStack.of(adapter)))
    return answer_by_document(model.answerer, request, OPTIONS)


def test_each_document_answers_as_if_it_were_the_only_one_the_latest_first(model):
    documents = [document_from_text(text, f"document {i}") for i, text in enumerate(TEXTS)]
    found = by_document(model, model.internalize(*documents))
    named = [source.document for answer in found for source in answer.sources]
    assert len(named) == len(set(named)) > 0
    latest = [answer.sources[0].document for answer in found]
    assert latest == sorted(latest, reverse=True)
    for answer in found:
        for source in answer.sources:
            (document,) = (d for d in documents if d.name == source.document)
            alone = model.ask(QUESTION, model.internalize(document), max_new_tokens=4)
            assert answer.text.casefold() == alone.casefold()


def test_documents_with_the_same_answer_are_sources_of_one(model):
    same = [document_from_text(TEXTS[0], name) for name in ("old", "new")]
    (answer,) = by_document(model, model.internalize(*same))
    assert [source.document for source in answer.sources] == ["new", "old"]
    assert answer.as_dict()["sources"][0]["document"] == "new"


def test_without_kept_tokens_nothing_is_told_apart(model):
    assert by_document(model, model.internalize(document_from_text(TEXTS[0]), keep="none")) == []
