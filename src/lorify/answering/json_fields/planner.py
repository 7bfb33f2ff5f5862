"""Fill the fields of JSON schemas from documents, before the base writes the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lorify.answering.json_fields.document_text import only_address, whole_list
from lorify.answering.json_fields.fields import JsonField, JsonValue, Path, fill_fields, find_fields
from lorify.answering.json_fields.questions import field_questions
from lorify.answering.json_fields.values import read_value
from lorify.answering.plan import AnswerPlan, AnswerRequest
from lorify.answering.quote_planner import MIN_STATED, QuotePlanner, are_of_documents
from lorify.base.constrained_decoding import GrammarTokens, ValueChecker
from lorify.base.constraints import Constraint, json_constraint
from lorify.base.model import BaseLM
from lorify.errors import SchemaError
from lorify.hypernets.evidence import TokenEvidence
from lorify.hypernets.internalizer import DocumentInternalizer

MAX_FIELDS = 64
"""Schemas with more fields are left to the base, which bounds the time of a request."""
MIN_PROBABILITY = 0.5
"""Values stated with a lower probability are left out, or null, if the schema allows it."""
MIN_RIGHT_PROBABILITY = 0.2
"""The same for values with a lower probability of being right."""
MIN_REQUIRED_PROBABILITY = 0.05
"""Minimum for required fields, for which the base would otherwise write a value."""

CLEAR_PROBABILITY = 0.9
"""An answer stated with this probability is accepted, and the question is not rephrased.

If it is unlikely to be right, the other forms of the question are still asked."""

WriteAnswers = Callable[[Sequence[AnswerRequest], int], Sequence[str]]
"""Answers requests, each with at most the given number of tokens."""
MAX_ANSWER_TOKENS = 32


@dataclass(frozen=True)
class _Found:
    """A value, how likely the documents state it, and how likely it is also right."""

    value: JsonValue
    stated: float
    probability: float


@dataclass(frozen=True)
class _AskedField:
    """A field, requests that ask for its value in different words, and the base's tokens."""

    field: JsonField
    requests: Sequence[AnswerRequest]
    tokens: GrammarTokens

    @cached_property
    def _checker(self) -> ValueChecker:
        return ValueChecker(json_constraint(self.field.schema), self.tokens)

    def read(self, text: str) -> JsonValue:
        """Read a text as the value of the field; None if the field's schema does not allow it."""
        value = read_value(self.field, text)
        return value if value is not None and self._checker.accepts(value) else None


class JsonFieldPlanner:
    """Fills schemas. Safe to use from several threads."""

    def __init__(
        self,
        base: BaseLM,
        internalizer: DocumentInternalizer,
        quotes: QuotePlanner,
        question_ids: Callable[[str], Sequence[int]],
        write_answers: WriteAnswers,
    ) -> None:
        """Set what finds values.

        Args:
            base: the base, whose tokens an answer is made of.
            internalizer: locates answers in the documents of its adapters.
            quotes: finds words of documents that answer a question.
            question_ids: question -> token ids of the prompt that asks it.
            write_answers: answers questions for required fields that no words of documents answer.
        """
        self._base, self._internalizer = base, internalizer
        self._quotes, self._question_ids, self._write_answers = quotes, question_ids, write_answers

    def with_fields(self, plan: AnswerPlan) -> AnswerPlan:
        """Fill the schema of a plan's request from the documents of its adapters.

        Fields that the documents do not state are left out or null if the schema allows it; the base writes the others.

        Returns:
            The plan with the values in its constraint; the same plan if it has no schema or nothing was found.
        """
        request = plan.request
        if request is None or request.schema is None or not request.is_quotable:
            return plan
        if not are_of_documents(request.adapters.adapters, self._internalizer):
            return plan
        fields = find_fields(request.schema)
        if not 0 < len(fields) <= MAX_FIELDS:
            return plan
        asked = [
            _AskedField(field, _requests(request, field, len(fields)), self._base.grammar_tokens) for field in fields
        ]
        found = self._find(request, asked, is_relevant=plan.is_on)
        if not found and not plan.is_on:
            return plan
        unknown = [each for each in asked if each.field.path not in found]
        values: dict[Path, JsonValue] = {path: each.value for path, each in found.items()}
        values |= {each.field.path: None for each in unknown if each.field.may_be_null}
        missing = [each.field.path for each in unknown if each.field.may_be_missing and not each.field.may_be_null]
        required = [each for each in unknown if not (each.field.may_be_null or each.field.may_be_missing)]
        values |= self._written(request, required)
        constraint = _constraint(fill_fields(request.schema, values, missing))
        if constraint is None:
            return plan
        # An instruction such as "Extract the data." need not share a word with the documents that answer its fields.
        on = plan.adapters if plan.is_on else request.adapters
        return replace(plan, adapters=on, constraint=constraint, quote=None, quote_ids=())

    def _find(self, request: AnswerRequest, asked: Sequence[_AskedField], *, is_relevant: bool) -> dict[Path, _Found]:
        """The values of the fields that the documents state with enough certainty."""
        found: dict[Path, _Found] = {}
        likely: dict[Path, _Found] = {}  # the result if the request turns out to be about the documents
        left = [(each, each.requests) for each in asked]
        # The first clearly answered question of a field counts: even "Who is the address?" gets an answer.
        while left:
            planned = self._plan_quotes([requests[0] for _, requests in left])
            for (each, _), (plan, documents) in zip(left, planned, strict=True):
                new = self._read(each, plan, documents)
                _keep(found, each.field, new, is_relevant=is_relevant)
                _keep(likely, each.field, new, is_relevant=True)
            left = [
                (each, requests[1:])
                for each, requests in left
                if len(requests) > 1 and not _is_clear(found.get(each.field.path), request, requests[1])
            ]
        return likely if 2 * len(found) >= len(asked) else found

    def _read(self, asked: _AskedField, plan: AnswerPlan, documents: Sequence[TokenEvidence]) -> _Found | None:
        """The value of a field that the documents give in answer to one of its questions; None if they give none."""
        decode = self._base.decode_text
        if plan.quote is not None:
            text = plan.quote.text
            value = asked.read(whole_list(text, documents, decode) if asked.field.kind == "array" else text)
            stated = 1.0 if plan.stated is None else plan.stated
            if value is not None:
                return _Found(value, stated, stated * (1.0 if plan.quote.is_certain else plan.quote.probability))
        address = only_address(asked.field, documents, decode)
        return None if address is None else _Found(address, MIN_PROBABILITY, MIN_PROBABILITY)

    def _plan_quotes(self, requests: Sequence[AnswerRequest]) -> list[tuple[AnswerPlan, list[TokenEvidence]]]:
        """Plan to quote documents; also returns where they may answer each request."""
        located = [
            [self._internalizer.locate(adapter, each.question) for adapter in each.adapters.adapters]
            for each in requests
        ]
        plans = [
            AnswerPlan(each.prompt_ids, each.adapters, request=each, evidence=tuple(evidence))
            for each, evidence in zip(requests, located, strict=True)
        ]
        documents = [[document for own in evidence for document in own] for evidence in located]
        return list(zip(self._quotes.with_quotes(plans, documents), documents, strict=True))

    def _written(self, request: AnswerRequest, fields: Sequence[_AskedField]) -> dict[Path, JsonValue]:
        """The values that the base gives in answer to plain questions about fields."""
        if not fields:
            return {}
        first = [each.requests[0] for each in fields]
        prompts = [
            each.prompt_ids if each.question == request.question else self._question_ids(each.question)
            for each in first
        ]
        questions = [replace(each, prompt_ids=tuple(ids)) for each, ids in zip(first, prompts, strict=True)]
        answers = self._write_answers(questions, MAX_ANSWER_TOKENS)
        values = {each.field.path: each.read(text) for each, text in zip(fields, answers, strict=True)}
        return {path: value for path, value in values.items() if value is not None}


def _requests(request: AnswerRequest, field: JsonField, num_fields: int) -> list[AnswerRequest]:
    """Requests for the value of a field; the user's own question keeps the turns that it refers to."""
    return [
        replace(
            request,
            question=question,
            turns=request.turns if question == request.question else (),
            only_if_relevant=False,
            schema=None,
        )
        for question in field_questions(field, request.question, is_only=num_fields == 1)
    ]


def _is_clear(found: _Found | None, request: AnswerRequest, following: AnswerRequest) -> bool:
    """Whether a value is certain enough to skip the following question.

    If the following question only adds the user's instruction as context, it is skipped once a value is clearly stated.
    """
    if found is None or found.stated < CLEAR_PROBABILITY:
        return False
    return found.probability >= MIN_PROBABILITY or following.question.startswith(request.question)


def _keep(found: dict[Path, _Found], field: JsonField, new: _Found | None, *, is_relevant: bool) -> None:
    """Keep a value that is certain enough and more likely than the one already found."""
    min_stated, min_probability = _minima(field, is_relevant=is_relevant)
    known = found.get(field.path)
    is_better = new is not None and (known is None or new.probability > known.probability)
    if new and is_better and new.stated >= min_stated and new.probability >= min_probability:
        found[field.path] = new


def _minima(field: JsonField, *, is_relevant: bool) -> tuple[float, float]:
    """Minimum probabilities that a value is stated, and that it is also right."""
    if not (field.may_be_null or field.may_be_missing):
        return (MIN_REQUIRED_PROBABILITY, 0.0) if is_relevant else (MIN_STATED, 0.0)
    return MIN_PROBABILITY if is_relevant else MIN_STATED, MIN_RIGHT_PROBABILITY


def _constraint(schema: Mapping[str, Any]) -> Constraint | None:
    """The constraint of a filled schema; None if it cannot be enforced, in which case the original schema is used."""
    try:
        return json_constraint(schema)
    except SchemaError:
        return None
