"""Answers in the words that the reader found, from documents to the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest
import torch
from tiny_lorify import judging_lorify

from lorify.adapters import AdapterStack
from lorify.answering.plan import Query, continue_chat
from lorify.answering.quote_planner import QuotePlanner
from lorify.answering.quotes import AskedDocuments
from lorify.answering.quotes.spans import (
    MAX_PASSAGES,
    MIN_SPAN_PROBABILITY,
    VERDICT_PRECISION,
    Finding,
    FoundSpan,
    find_spans,
)
from lorify.base.constraints import json_constraint
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.extraction.extractor import ExtractedWords
from lorify.facade import Lorify
from lorify.hypernets.associative.questions import answer_finder
from lorify.hypernets.associative.questions.focus import FocusSolver
from lorify.hypernets.associative.reader import AnswerLogits
from lorify.hypernets.evidence import PreparedAdapter, TokenEvidence

MILL = document_from_text("The mill opens at nine. Its owner is Ada Holm, who keeps bees.", "mill")
BARN = document_from_text("The barn opens at ten. Its owner is Berta Holm, who keeps hens.", "barn")
QUESTION = "Who owns it?"


@contextmanager
def finding(model: Lorify, words: str, *, belongs: float = 9.0) -> Iterator[None]:
    """Let the reader find some words of every document that has them."""
    wanted = model.base.encode_text(words)

    def score(_reader, queries, **_options):
        return [[scores_of(document) for document in query.documents] for query in queries]

    def scores_of(document):
        ids = ids_of[len(document.tokens)]
        scores = answer_finder.TokenScores.unread(len(document.tokens), torch.device("cpu"))
        logits = torch.full((3, 1, len(document.tokens)), -9.0)
        # Each token of the memory stands for the token that follows it.
        begin = next((i for i in range(len(ids)) if ids[i : i + len(wanted)] == wanted), None)
        if begin is not None:
            last = begin + len(wanted) - 1
            logits[0, 0, begin - 1] = logits[1, 0, last - 1] = 9.0
            logits[2, 0, begin - 1 : last] = belongs
        scores.set_read(torch.arange(len(document.tokens)), AnswerLogits(logits[0], logits[2], logits[1]), 0)
        return scores

    ids_of = {}
    for document in (MILL, BARN):
        (memory,) = model.internalizer._load_documents(model.internalize(document))
        assert memory.tokens is not None and len(memory.tokens.chunk_sizes) == 1
        ids_of[len(memory.tokens.words)] = memory.tokens.ids.tolist()
    assert len(ids_of) == 2
    with patch.object(answer_finder, "score_tokens", score):
        yield


def owner(model: Lorify, *documents, **options):
    return model.answerer.plan_query(Query(QUESTION, AdapterStack.of(model.internalize(*documents)), **options))


def test_the_answer_is_the_words_with_the_sentence_that_they_are_from():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL)
        (answer,) = model.answerer.answer([plan], GenerationOptions(24), with_confidence=True)
        assert answer.text == "Ada Holm" and answer.adapter_on
        assert answer.source is not None and answer.source.sentence == "Its owner is Ada Holm, who keeps bees."
        assert "".join(model.answerer.stream(plan, GenerationOptions(24))) == "Ada Holm"


def test_neither_an_adapter_nor_a_token_is_computed_for_words_that_are_known():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        stack = AdapterStack.of(model.internalize(MILL))
        queries = [Query(QUESTION, stack), Query("Describe the mill.", stack), Query(QUESTION, stack)]
        steps = Mock(side_effect=FocusSolver.write, autospec=True)
        with patch.object(FocusSolver, "write", lambda *arguments: steps(*arguments)):
            plans = [model.answerer.plan_query(query) for query in queries]
            quoted = model.answerer.answer([plans[0], plans[2]], GenerationOptions(24))
            assert list(model.answerer.stream(plans[0], GenerationOptions(1)))
            assert steps.call_count == 0
            answers = model.answerer.answer(plans, GenerationOptions(24))
            assert steps.call_count == 1
    assert [answer.text for answer in quoted] == ["Ada Holm", "Ada Holm"]
    assert [answer.text for answer in answers][::2] == ["Ada Holm", "Ada Holm"]
    assert answers[1].text == model.ask("Describe the mill.", stack.adapters[0], max_new_tokens=24)


def test_the_words_are_doubted_like_an_answer_of_the_base():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL, not_stated="It does not say.")
        (answer,) = model.answerer.answer([plan], GenerationOptions(24), with_confidence=True)
        assert answer.confidence is not None
        assert answer.signals is not None and model.answerer.stated(answer.signals) is not None
        with patch.object(type(model.answerer), "is_stated", return_value=False):
            (withheld,) = model.answerer.answer([plan], GenerationOptions(24))
        assert (withheld.text, withheld.withheld) == ("It does not say.", "Ada Holm")


def test_of_several_documents_the_one_that_has_the_words_answers():
    model = judging_lorify()
    with finding(model, " Berta Holm"):
        plan = owner(model, MILL, BARN)
        assert plan.quote is not None and plan.quote.text == "Berta Holm"


def test_words_that_no_document_is_sure_of_are_left_to_the_base():
    model = judging_lorify()
    with finding(model, " Ada Holm", belongs=-9.0):
        assert owner(model, MILL).quote is None
    with finding(model, " Carla Holm"):
        assert owner(model, MILL).quote is None


@pytest.mark.parametrize("options", [{"focus": False}, {"answer_prefix": "The owner is"}])
def test_a_static_adapter_and_an_answer_that_is_begun_are_left_to_the_base(options):
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        assert owner(model, MILL, **options).quote is None


def test_a_constraint_comes_before_the_words():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL)
        (formed,) = model.answerer.answer([plan], GenerationOptions(8, constraint=json_constraint({"type": "boolean"})))
        assert formed.text in ("true", "false")


def test_a_refined_adapter_still_quotes_its_documents():
    """Words of the documents are right more often than what a refined adapter writes."""
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        adapter = model.internalize(MILL)
        refined = replace(adapter, provenance=adapter.provenance.model_copy(update={"refined_seconds": 1.0}))
        plans = [model.answerer.plan_query(Query(QUESTION, AdapterStack.of(each))) for each in (adapter, refined)]
    assert plans[1].quote is not None and plans[1].quote == plans[0].quote


class StandInExtractor:
    """Finds some words in every text that has them; remembers what it was asked."""

    def __init__(self, words: str, probability: float = 0.9):
        self.words, self.probability, self.pairs, self.given = words, probability, [], []

    def find(self, pairs, given=()):
        self.pairs += pairs
        self.given += given
        return [self._words_of(text) for _, text in pairs]

    def _words_of(self, text: str) -> ExtractedWords | None:
        begin = text.find(self.words)
        return ExtractedWords(max(begin, 0), max(begin, 0) + len(self.words), self.probability * (begin >= 0), 1.0)


def extracting(words: str, probability: float = 1.0) -> tuple[Lorify, StandInExtractor]:
    model, extractor = judging_lorify(), StandInExtractor(words, probability)
    use_extractor(model, lambda: extractor)
    return model, extractor


def use_extractor(model: Lorify, load) -> None:
    model.answerer.quotes = QuotePlanner(model.base, model.internalizer, load)


def test_an_extractor_finds_the_words_in_the_documents():
    model, extractor = extracting("Ada Holm")
    with finding(model, " keeps bees"):
        plan = owner(model, MILL, BARN)
        (answer,) = model.answerer.answer([plan], GenerationOptions(24), with_confidence=True)
    assert answer.text == "Ada Holm" and plan.quote is not None and plan.quote.probability == 1.0
    assert answer.source is not None and answer.source.sentence == "Its owner is Ada Holm, who keeps bees."
    assert {question for question, _ in extractor.pairs} == {QUESTION}


def test_questions_of_a_batch_are_extracted_at_once_and_each_from_its_own_documents():
    model, extractor = extracting(" Holm")
    stacks = [AdapterStack.of(model.internalize(document)) for document in (MILL, BARN)]
    asked = [("Who owns the mill?", 0), ("Summarize it.", 0), ("Who owns the barn?", 1), ("Tell me of the barn.", 1)]
    requests = [model.answerer.request(Query(question, stacks[i], only_if_relevant=False)) for question, i in asked]
    with finding(model, " keeps"), patch.object(extractor, "find", Mock(side_effect=extractor.find)) as find:
        plans = model.answerer.plan(requests)
    assert find.call_count == 1
    assert [(question, text.split()[1]) for question, text in extractor.pairs] == [
        ("Who owns the mill?", "mill"),
        ("Who owns the barn?", "barn"),
    ]
    assert [plan.quote is not None and plan.quote.text for plan in plans] == [
        "Holm",
        plans[1].quote.text,
        "Holm",
        False,
    ]


def test_words_that_the_extractor_is_not_sure_of_are_left_to_the_reader_and_then_to_the_base():
    model, _ = extracting("Ada Holm", MIN_SPAN_PROBABILITY / 2)
    with finding(model, " keeps bees"):
        plan = owner(model, MILL)
        assert plan.quote is not None and plan.quote.text == "keeps bees" and plan.stated == 1.0
    with finding(model, " Carla Holm"):
        assert owner(model, MILL).quote is None


def test_the_extractor_is_not_loaded_for_what_it_cannot_answer():
    model = judging_lorify()
    load = Mock(return_value=StandInExtractor("Ada Holm"))
    use_extractor(model, load)
    adapter = model.internalize(MILL)
    for query in (Query("Tell me of it.", AdapterStack.of(adapter)), Query(QUESTION)):
        model.answerer.plan_query(query)
    assert not load.called
    with finding(model, " Ada Holm"):
        assert owner(model, MILL).quote is not None and owner(model, MILL).quote is not None
    assert load.call_count == 1


def test_of_a_long_document_the_passages_around_the_readers_findings_are_read():
    ids = list(range(1000))
    probabilities = torch.full((1000,), 0.01)
    probabilities[[10, 700]] = torch.tensor([0.3, 0.4])
    extractor = StandInExtractor("word700")
    evidence = TokenEvidence("long", ids, probabilities)
    asked = [AskedDocuments("Where?", [evidence] * 3), AskedDocuments("Who?", [])]
    found = find_spans(asked, lambda ids: " ".join(f"word{i}" for i in ids), extractor)
    assert found == [Finding(FoundSpan("word700", 0.9), 1.0), Finding(None)]
    assert len(extractor.pairs) == MAX_PASSAGES
    assert all("word700" in text or "word10 " in text for _, text in extractor.pairs)


def test_a_passage_ends_with_a_whole_sentence():
    sentences = [f"Room {number} is booked on {number % 28 + 1} June 2026 at noon." for number in range(40)]
    text = "\n".join(sentences)
    ids = [ord(character) for character in text]
    extractor = StandInExtractor("Room")
    evidence = TokenEvidence("rooms", ids, torch.full((len(ids),), 0.5))
    find_spans([AskedDocuments("Which room is booked?", [evidence])], lambda ids: "".join(map(chr, ids)), extractor)
    read = [line for _, passage in extractor.pairs for line in passage.split("\n")]
    assert len(read) > 10 and set(read) <= set(sentences)


def test_a_question_for_a_person_is_not_answered_with_the_thing_it_names():
    text = 'A contract with Holm Ltd ("the Contractor"). The Contractor cleans the old gas boiler.'
    ids = [ord(character) for character in text]
    evidence = TokenEvidence("contract", ids, torch.full((len(ids),), 0.5))

    asked = AskedDocuments("Who cleans the boiler?", [evidence])

    def answer(extractor: StandInExtractor) -> FoundSpan | None:
        return find_spans([asked], lambda ids: "".join(map(chr, ids)), extractor)[0].span

    named = StandInExtractor("Holm Ltd")
    assert answer(StandInExtractor("gas boiler")) is None
    assert answer(named) == FoundSpan("Holm Ltd", 0.9)
    assert named.pairs[0][1].endswith("Holm Ltd cleans the old gas boiler.")


def test_a_cell_and_an_opening_hour_need_no_extractor_to_find_words():
    text = "Bath\nMonday: closed\nTuesday: 9:00-17:00\nsize: S; price: 3 euros.\nsize: L; price: 5 euros."
    ids = [ord(character) for character in text]
    evidence = TokenEvidence("bath", ids, torch.full((len(ids),), 0.1))
    extractor = StandInExtractor("nothing")
    asked = [AskedDocuments(each, [evidence]) for each in ("Is it open on Monday?", "What is the price of size L?")]
    found = find_spans(asked, lambda ids: "".join(map(chr, ids)), extractor)
    assert [each.span and each.span.text for each in found] == ["No", "5 euros"]
    assert all(each.span and each.span.is_certain for each in found) and not extractor.pairs


def test_a_question_that_refers_back_is_read_with_the_turns_before_it():
    model, extractor = extracting("Ada Holm")
    alone = "Who is the owner of the mill?"
    with finding(model, " keeps bees"):
        adapter = model.internalize(MILL)
        query = continue_chat(Query("And who owns it?", AdapterStack.of(adapter)), [("Where is the mill?", "Lowick")])
        model.answerer.plan_query(query)
        model.answerer.plan_query(replace(query, question=alone))
    assert [question for question, _ in extractor.pairs] == ["Where is the mill? Lowick > And who owns it?", alone]


def test_the_extractor_is_told_what_was_answered_before():
    model, extractor = extracting("Ada Holm")
    with finding(model, " keeps bees"):
        query = Query("And who owns it?", AdapterStack.of(model.internalize(MILL)))
        model.answerer.plan_query(query)
        model.answerer.plan_query(continue_chat(query, [("Where is the mill?", "Lowick")]))
    assert list(map(list, extractor.given)) == [[], ["Lowick"]]


def test_a_document_that_a_later_one_corrects_is_not_read():
    old, new = (TokenEvidence(name, [number], torch.tensor([0.9])) for number, name in enumerate(("old", "new")))
    extractor = StandInExtractor("text")
    find_spans([AskedDocuments("Which?", [old, new])], lambda ids: f"text {ids[0]}", extractor)
    assert extractor.pairs == [("Which?", "text 1")]


def test_words_of_an_adapter_that_is_off_are_not_quoted():
    model, extractor = extracting("Berta Holm")
    mill, barn = (model.internalize(document) for document in (MILL, BARN))
    prepare = type(model.internalizer).prepare

    def prepare_only_the_mill(self, adapters, questions, **options):
        found = zip(adapters, prepare(self, adapters, questions, **options), strict=True)
        return [each if adapter is mill else PreparedAdapter(None, each.evidence) for adapter, each in found]

    with finding(model, " keeps bees"), patch.object(type(model.internalizer), "prepare", prepare_only_the_mill):
        plan = model.answerer.plan_query(Query(QUESTION, AdapterStack(((mill, 1.0), (barn, 1.0)))))
    assert extractor.pairs and not [text for _, text in extractor.pairs if "barn" in text]
    assert plan.quote is None or plan.quote.text != "Berta Holm"


def test_nothing_is_extracted_where_the_answer_is_no_text_of_its_own():
    model, extractor = extracting("Ada Holm")
    adapter = model.internalize(MILL)
    with finding(model, " Ada Holm"):
        model.choose(QUESTION, ["Ada Holm", "Berta Holm"], adapter, only_if_relevant=False)
    assert not extractor.pairs


def test_the_more_probable_words_are_taken_and_those_that_both_found_are_surer():
    model, _ = extracting("bees", 0.5)
    with finding(model, " keeps bees"):
        surer = owner(model, MILL).quote
        assert surer is not None and surer.text == "keeps bees" and surer.probability > 0.9
    model, _ = extracting("keeps bees", 0.5)
    with finding(model, " keeps bees"):
        both = owner(model, MILL).quote
        assert both is not None and both.text == "keeps bees" and both.probability > surer.probability


class StandInJudge:
    """Finds the first word of every text; states the answer, and that it is yes or no, with a probability."""

    def __init__(self, verdict: float = 0.0, stated: float = 1.0):
        self.verdict, self.stated, self.pairs = verdict, stated, list[tuple[str, str]]()

    def find(self, pairs, given=()):
        self.pairs += pairs
        return [ExtractedWords(0, len(text.split()[0]), 0.5, self.stated, self.verdict) for _, text in pairs]


def judging(**probabilities: float) -> tuple[Lorify, StandInJudge]:
    model, judge = judging_lorify(), StandInJudge(**probabilities)
    use_extractor(model, lambda: judge)
    return model, judge


@pytest.mark.parametrize(
    ("probabilities", "text", "probability"),
    [
        ({"verdict": 0.6}, "Yes", VERDICT_PRECISION),
        ({"verdict": 0.9, "stated": 0.5}, "Yes", VERDICT_PRECISION / 2),
        ({"verdict": 0.4}, "Yes", VERDICT_PRECISION),
    ],
)
def test_a_question_for_yes_or_no_gets_a_verdict(probabilities, text, probability):
    model, _ = judging(**probabilities)
    stack = AdapterStack.of(model.internalize(MILL))
    with finding(model, " Ada Holm"):
        quote = model.answerer.plan_query(Query("Does the mill open at nine?", stack)).quote
        assert quote is not None and (quote.text, quote.probability) == (text, pytest.approx(probability))
        polite = model.answerer.plan_query(Query("Could you name the owner of the mill?", stack)).quote
        assert polite is not None and (polite.text == "Yes") == (probabilities["verdict"] > 0.5)
        other = model.answerer.plan_query(Query("When does the mill open?", stack)).quote
        assert other is not None and other.text not in ("Yes", "No")


def test_without_an_extractor_the_base_answers_yes_or_no():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        stack = AdapterStack.of(model.internalize(MILL))
        assert model.answerer.plan_query(Query("Does the mill open at nine?", stack)).quote is None


UNRELATED = "Whose bicycle stands there?"


@contextmanager
def relevant_by_words(model: Lorify) -> Iterator[None]:
    """Let a question be relevant only if it names the mill."""
    prepare = type(model.internalizer).prepare

    def prepare_if_named(self, adapters, questions, *, only_if_relevant=True, **options):
        found = prepare(self, adapters, questions, only_if_relevant=only_if_relevant, **options)
        is_off = [only_if_relevant and "mill" not in question for question in questions]
        return [PreparedAdapter(None, each.evidence) if off else each for each, off in zip(found, is_off, strict=True)]

    with patch.object(type(model.internalizer), "prepare", prepare_if_named):
        yield


def test_a_question_in_other_words_is_relevant_if_the_documents_answer_it():
    for stated, is_on in ((1.0, True), (0.5, False)):
        model, judge = judging(stated=stated)
        stack = AdapterStack.of(model.internalize(MILL))
        with relevant_by_words(model):
            assert not model.answerer.plan_query(Query(UNRELATED, stack, may_quote=False)).is_on and not judge.pairs
            plan = model.answerer.plan_query(Query(UNRELATED, stack))
        assert plan.is_on is is_on and (plan.quote is not None) is is_on and judge.pairs


@pytest.mark.parametrize("question", ["Write a poem.", f"{UNRELATED} {'Think well. ' * 28}{UNRELATED}"])
def test_requests_to_write_and_long_ones_are_relevant_by_their_words_alone(question):
    model, judge = judging()
    with relevant_by_words(model):
        plan = model.answerer.plan_query(Query(question, AdapterStack.of(model.internalize(MILL))))
    assert not plan.is_on and not judge.pairs


def test_several_questions_are_judged_each_with_its_own_documents():
    model, judge = judging()
    stacks = [AdapterStack.of(model.internalize(document)) for document in (MILL, BARN)]
    asked = [("When does the mill open?", stacks[0]), (UNRELATED, stacks[1]), ("Write a poem.", stacks[0])]
    requests = [model.answerer.request(Query(*each)) for each in (*asked, (UNRELATED, AdapterStack()))]
    with relevant_by_words(model):
        plans = model.answerer.plan(requests)
    assert [plan.is_on for plan in plans] == [True, True, False, False]
    assert {text.split()[1] for question, text in judge.pairs if question == UNRELATED} == {"barn"}
