import json
from dataclasses import replace
from unittest.mock import patch

import pytest
from tiny import tiny_base
from tiny_lorify import judging_lorify, tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.checks.fidelity import FidelityQuestion
from lorify.answering.plan import AnswerPlan, AnswerRequest, Query
from lorify.answering.quotes import quote_kind
from lorify.base.chat.prompts import Message, PromptBuilder
from lorify.base.constraints import json_constraint
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.data.cloze.statements import find_cloze_statements
from lorify.errors import ContextError
from lorify.facade import Lorify
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.evidence import PreparedAdapter
from lorify.hypernets.relevance import Relevance

OPTIONS = GenerationOptions(6)
MILL = document_from_text("The mill opens at nine. Its owner is Ada.", "mill")
SYSTEM_TURN = "<|im_start|>system\n"


class Counting:
    """An internalizer that counts what it prepares."""

    def __init__(self, internalizer):
        self._internalizer = internalizer
        self.prepared = []

    def prepare(self, adapters, questions, **options):
        self.prepared += zip(adapters, questions, strict=True)
        return self._internalizer.prepare(adapters, questions, **options)

    def __getattr__(self, name):
        return getattr(self._internalizer, name)


def gated(threshold: float = 0.5) -> Lorify:
    """A model that answers a question with an adapter only if they share enough words, or with a bare base."""
    model = tiny_lorify()
    relevance = Relevance(threshold=threshold, unseen_weight=1.0, weights={})
    hypernetwork = model.internalizer.hypernetwork
    hypernetwork.reader = None
    return Lorify(model.base, replace(model.internalizer, relevance=relevance, hypernetwork=hypernetwork))


def test_an_adapter_is_on_for_relevant_questions_alone():
    model = gated()
    stack = AdapterStack.of(model.internalize(MILL))
    on, off, forced = model.answerer.plan(
        [
            model.answerer.request(Query("The mill?", stack)),
            model.answerer.request(Query("Which planets have rings?", stack)),
            model.answerer.request(Query("Which planets have rings?", stack, only_if_relevant=False)),
        ]
    )
    assert on.adapters == forced.adapters == stack and on.is_on
    assert off.adapters == AdapterStack() and not off.is_on
    answers = model.answerer.answer([on, off], OPTIONS)
    assert [answer.adapter_on for answer in answers] == [True, False]
    assert answers[1].text == model.ask("Which planets have rings?", max_new_tokens=6)


def test_one_adapter_is_prepared_once_for_a_question():
    model = tiny_lorify()
    internalizer = Counting(model.internalizer)
    answerer = Answerer(model.base, internalizer)
    adapter = model.internalize(MILL)
    stack = AdapterStack(((adapter, 1.0), (adapter, 0.5)))
    plans = answerer.plan([AnswerRequest((1,), stack, "When?"), AnswerRequest((2,), stack, "When?")])
    assert internalizer.prepared == [(adapter, "When?")]
    assert [scale for _, scale in plans[0].adapters] == [1.0, 0.5]
    assert [plan.prompt_ids for plan in plans] == [(1,), (2,)]


def test_a_stream_is_the_answer_in_pieces_without_white_space_at_its_ends(model):
    plan = model.answerer.plan_query(Query("When?"))
    with patch("lorify.answering.answerer.stream_tokens", return_value=iter(model.base.encode_text("  né à  "))):
        assert list(model.answerer.stream(plan, OPTIONS)) == ["n", "é", " à"]
    (answer,) = model.answerer.answer([plan], OPTIONS)
    assert "".join(model.answerer.stream(plan, OPTIONS)) == answer.text


def test_a_chat_is_planned_by_its_last_question():
    model = gated()
    chat = [
        {"role": "user", "content": "Who owns the mill?"},
        {"role": "assistant", "content": "Ada."},
        {"role": "user", "content": "When did she buy it?"},
    ]
    request = model.answerer.chat_request(chat, AdapterStack())
    assert request.question == "When did Ada buy it?"
    assert request.prompt_ids == PromptBuilder(model.base.tokenizer).chat_ids(chat)


@pytest.fixture
def with_system_turn() -> Lorify:
    """A model whose hypernetwork was trained on chats with a system turn, as imported Doc-to-LoRA checkpoints are."""
    model = tiny_lorify()
    internalizer = Counting(model.internalizer)
    internalizer.system_turn = True
    return Lorify(tiny_base(), internalizer)


def prompt_text(answerer: Answerer, plan: AnswerPlan | AnswerRequest) -> str:
    return answerer.base.tokenizer.decode(plan.prompt_ids)


def test_the_system_turn_is_in_every_prompt(with_system_turn):
    answerer = with_system_turn.answerer
    statement = FidelityQuestion(MILL, find_cloze_statements(MILL.text)[0])
    adapter = with_system_turn.internalize(MILL)
    requests = [
        answerer.request(Query("When?")),
        answerer.request(Query("When?", document="The mill.")),
        answerer.request(statement.query(adapter)),
        answerer.chat_request([{"role": "user", "content": "When?"}], AdapterStack()),
    ]
    for request in requests:
        assert prompt_text(answerer, request).startswith(SYSTEM_TURN)


def test_refinement_trains_on_prompts_with_the_system_turn(with_system_turn):
    prompts = []

    def trained(_base, examples, start, **_options):
        prompts.extend(examples)
        return start

    with patch("lorify.hypernets.adapter_training.further_training.distill", trained):
        with_system_turn.refine(with_system_turn.internalize(MILL), MILL, seconds=0.1)
    base = with_system_turn.base
    assert prompts and all(base.tokenizer.decode(example.ids).startswith(SYSTEM_TURN) for example in prompts)


def test_a_summary_is_quoted_from_the_documents_with_its_source():
    model = judging_lorify()
    adapter = model.internalize(document_from_text("The mill in Torberg grinds oats. It is closed.", name="mill"))
    plan = model.answerer.plan_query(Query("Summarize the document in one sentence.", AdapterStack.of(adapter)))
    (answer,) = model.answerer.answer([plan], GenerationOptions(64), with_confidence=True)
    assert answer.adapter_on and answer.text == "The mill in Torberg grinds oats."
    assert "".join(model.answerer.stream(plan, GenerationOptions(64))) == answer.text
    assert answer.source is not None and (answer.source.document, answer.source.sentence) == ("mill", answer.text)
    assert answer.confidence is None and answer.withheld is None


def test_a_quote_obeys_the_limit_and_gives_way_to_a_constraint():
    model = judging_lorify()
    adapter = model.internalize(document_from_text("The mill in Torberg grinds oats. It is closed.", name="mill"))
    plan = model.answerer.plan_query(Query("Summarize it.", AdapterStack.of(adapter)))
    (short,) = model.answerer.answer([plan], GenerationOptions(3))
    assert len(model.base.encode_text(short.text)) <= 3
    constraint = json_constraint({"type": "boolean"})
    (formed,) = model.answerer.answer([plan], GenerationOptions(8, constraint=constraint))
    assert formed.text in ("true", "false")


def test_a_static_adapter_and_other_questions_are_not_quoted():
    model = judging_lorify()
    stack = AdapterStack.of(model.internalize(MILL))
    assert model.answerer.plan_query(Query("Summarize it.", stack, focus=False)).quote is None
    assert model.answerer.plan_query(Query("Summarize it.", stack, answer_prefix="It")).quote is None
    assert model.answerer.plan_query(Query("Summarize it.")).quote is None
    assert model.answerer.plan_query(Query("Who owns the mill?", stack)).quote is None


def test_a_reason_is_not_quoted_from_documents_that_the_question_is_not_about():
    model = judging_lorify()
    stack = AdapterStack.of(model.internalize(MILL))
    assert quote_kind("Why is the sky blue?", is_relevant=False) is None
    assert quote_kind("Summarize it.", is_relevant=False)
    off = [PreparedAdapter(None)]
    with patch.object(AssociativeInternalizer, "prepare", return_value=off):
        assert model.answerer.plan_query(Query("Why is the sky blue?", stack)).quote is None
        assert model.answerer.plan_query(Query("Summarize it.", stack)).quote is not None


def test_an_answer_ends_where_the_window_does():
    model = tiny_lorify()
    base = model.base
    base.model.generation_config.eos_token_id = None
    question = "Why? " * 80
    room = base.window_tokens - len(model.answerer.prompts.question_ids(question))
    short, plan = model.answerer.plan_query(Query("Why?")), model.answerer.plan_query(Query(question))
    assert 0 < room < 200
    options = GenerationOptions(base.window_tokens * 4)
    assert len(list(model.answerer.stream_ids(plan, options))) <= room
    for given in ([plan], [short, plan]):
        lora = None
        rows = generate_batch(base, [each.prompt_ids for each in given], options, lora=lora, stop_ids=set())
        lengths = [len(row) + len(each.prompt_ids) for row, each in zip(rows, given, strict=True)]
        assert lengths == [base.window_tokens] * len(given)
    cut = base.decode_text(rows[-1])
    assert not model.answerer.is_cut_by_window(plan, cut, GenerationOptions(room))  # what was asked for
    assert model.answerer.is_cut_by_window(plan, "a " * room, options)
    assert not model.answerer.is_cut_by_window(plan, "a", options)  # it ended by itself


def test_an_answer_in_json_is_complete_where_the_window_ends():
    model = tiny_lorify()
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    answer = model.ask("Why? " * 80, schema=schema, max_new_tokens=5000)
    assert set(json.loads(answer)) == {"a"}


def test_a_question_longer_than_the_window_is_refused_before_the_base_reads_it():
    model = tiny_lorify()
    adapter = model.internalize(document_from_text("The mill opens at nine."))
    question = "Why? " * model.base.window_tokens
    length = len(model.answerer.prompts.question_ids(question))
    message = f"the prompt has {length:,} tokens, and the context window of base {model.base.name} is 512 tokens; "
    for ask in (
        lambda: model.ask(question, adapter),
        lambda: model.ask_batch(["Who?", question], [None, None]),
        lambda: next(model.stream([Message(role="user", content=question)], adapter)),
        lambda: model.choose(question, ["yes", "no"]),
    ):
        with pytest.raises(ContextError, match=message):
            ask()
