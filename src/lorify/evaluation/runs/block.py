"""Answering a block of cases by one method, and scoring the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lorify.answering.answerer import Answerer
from lorify.answering.batches import answer_in_batches
from lorify.answering.plan import AnswerPlan, Query, continue_chat
from lorify.answering.questions import last_question
from lorify.base.chat.prompts import Message, with_system_turn
from lorify.base.constraints import json_constraint
from lorify.base.decoding.sampling import GenerationOptions
from lorify.data.answers import contains_answer
from lorify.data.examples import Question
from lorify.evaluation.methods.api import Ingest, PreparedCase, longest_answer
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.runs.timing import Measurement, TimedAnswer, answer_timed, measured
from lorify.evaluation.scoring.choices import nearest_choice
from lorify.evaluation.scoring.json_values import field_text
from lorify.evaluation.scoring.metrics import PUBLISHED_METRICS, exact_match, rouge_l, score_answer, token_f1
from lorify.evaluation.scoring.published import word_overlap
from lorify.evaluation.suites.cases import Case


@dataclass(frozen=True)
class _Row:
    """A question to answer.

    Attributes:
        case: its case.
        index: its index in the case.
        prepared: the case as ingested by the method.
        ingestion: cost of the ingestion.
    """

    case: Case
    index: int
    prepared: PreparedCase
    ingestion: Measurement

    @property
    def question(self) -> Question:
        return self.case.questions[self.index]

    @property
    def asked(self) -> tuple[str, int]:
        """What is asked: the case, and the index of its first question that asks for the same JSON, or of this one."""
        own, questions = self.question, self.case.questions
        if own.schema is None:
            return self.case.id, self.index
        return self.case.id, next(i for i, q in enumerate(questions) if (q.text, q.schema) == (own.text, own.schema))

    def options(self, max_new_tokens: int) -> GenerationOptions:
        """Return what the question is answered with: the length limit, and the form of the answer."""
        schema = self.question.schema
        constraint = None if schema is None else json_constraint(schema)
        return GenerationOptions(longest_answer(self.case, max_new_tokens), constraint=constraint)

    def query(self) -> Query:
        """Build the query; for what is retrieved, a question that refers back is preceded by the ones before it."""
        question = self.question
        if not question.turns:
            return replace(self.prepared.query_for(question.text), schema=question.schema)
        asked = [*(earlier for earlier, _ in question.turns), question.text]
        query = self.prepared.query_for(last_question([Message(role="user", content=text) for text in asked]))
        return continue_chat(replace(query, question=question.text, schema=question.schema), question.turns)


def answer_block(
    answerer: Answerer, block: Sequence[Case], label: str, ingest: Ingest, max_new_tokens: int, *, timed: bool
) -> list[AnswerRecord]:
    """Ingest the cases of a block and answer their questions.

    Questions for several fields of one answer in JSON are asked once.

    Args:
        answerer: answers the questions, unless the method has its own hypernetwork.
        block: the cases.
        label: label of the method.
        ingest: the method.
        max_new_tokens: maximum answer length in tokens; a case may need less.
        timed: ask the first question alone and time it.
    """
    rows: list[_Row] = []
    for case in block:
        with measured(answerer.base.device) as ingestion:
            prepared = _in_form(case, ingest(case))
        rows += [_Row(case, index, prepared, ingestion) for index in range(len(case.questions))]
    first = rows[0]
    answerer = first.prepared.answerer or answerer
    alone = answer_timed(answerer, first.query, first.options(max_new_tokens)) if timed else None
    texts = {first.asked: alone.text} if alone is not None else {}
    others = {row.asked: row for row in rows if row.asked not in texts}
    texts |= zip(others, _answer_together(answerer, list(others.values()), max_new_tokens), strict=True)
    return [_score(label, row, texts[row.asked], alone if row.index == 0 else None) for row in rows]


def _in_form(case: Case, prepared: PreparedCase) -> PreparedCase:
    """Write a case's prompts in its own form, if it has one."""
    form = case.form
    if form is None:
        return prepared
    prefixes = {q.text: prefix for q, prefix in zip(case.questions, form.answer_prefixes, strict=True)}

    def query_for(question: str) -> Query:
        query = prepared.query_for(question)
        return replace(
            query,
            turns=tuple(with_system_turn(query.turns)),
            chat_template=form.chat_template,
            answer_prefix=query.answer_prefix or prefixes[question],
        )

    return replace(prepared, query_for=query_for)


def _answer_together(answerer: Answerer, rows: Sequence[_Row], max_new_tokens: int) -> list[str]:
    queries = [row.query() for row in rows]
    planned = [(query, answerer.plan_query(query)) for query in queries]
    # If the expected answer is the bare base's own and the bare base is asked, the answer is known. Asking again in
    # another batch would only add rounding differences.
    answers: list[str | None] = [
        row.question.answers[0] if row.case.answers_are_the_bases and _is_bare(query, plan) else None
        for row, (query, plan) in zip(rows, planned, strict=True)
    ]
    by_options: dict[GenerationOptions, list[int]] = {}
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        if answer is None:
            by_options.setdefault(row.options(max_new_tokens), []).append(i)
    for options, indices in by_options.items():
        new = answer_in_batches(answerer, [planned[i] for i in indices], options)
        for i, answer in zip(indices, new, strict=True):
            answers[i] = answer.text
    return [answer or "" for answer in answers]


def _is_bare(query: Query, plan: AnswerPlan) -> bool:
    """Return whether the bare base model is asked with nothing but the question."""
    return not plan.is_on and query.document is None and not query.turns


def _score(label: str, row: _Row, prediction: str, timed: TimedAnswer | None) -> AnswerRecord:
    case, question, prepared = row.case, row.question, row.prepared
    scored = nearest_choice(prediction, case.choices) if case.choices else prediction
    scored = field_text(scored, question.field) if question.field else scored
    metric = question.metric or case.metric
    is_published = metric in PUBLISHED_METRICS
    rouge = rouge_l(scored, question.answers, stemmed=is_published)
    overlap = word_overlap(scored, question.answers) if is_published else None
    return AnswerRecord(
        method=label,
        case=case.id,
        index=row.index,
        source=case.source,
        condition=question.kind or case.condition,
        reference=case.reference,
        length_tokens=case.length_tokens,
        depth_bin=case.depth_bin,
        question=question.text,
        answers=question.answers,
        field=question.field,
        prediction=prediction,
        group=case.group,
        family=case.task.family if case.task else "",
        seed=case.task.seed if case.task else None,
        description=prepared.description,
        metric=metric,
        score=score_answer(metric, scored, question.answers),
        exact=exact_match(scored, question.answers),
        f1=token_f1(scored, question.answers),
        contains=float(contains_answer(scored, question.answers)),
        precision=overlap.precision if overlap else None,
        recall=overlap.recall if overlap else None,
        rouge_l=rouge.f1,
        rouge_l_recall=rouge.recall,
        update_seconds=row.ingestion.seconds,
        update_peak_bytes=row.ingestion.peak_bytes,
        adapter_bytes=prepared.adapter.num_bytes if prepared.adapter is not None else 0,
        kept_bytes=prepared.kept_bytes,
        prompt_tokens=timed.prompt_tokens if timed else None,
        first_token_seconds=timed.first_token_seconds if timed else None,
        seconds_per_token=timed.seconds_per_token if timed else None,
        kv_cache_bytes=timed.kv_cache_bytes if timed else None,
        answer_peak_bytes=timed.peak_bytes if timed else None,
    )
