"""Questions from the command line or a pipe, and the answers to them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from lorify.commands.asking.confidence import note_bare_answer, note_if_cut, warn_if_doubtful
from lorify.commands.terminal import print_line, show_spinner, write_stream
from lorify.data.answers import NOT_STATED
from lorify.errors import LorifyError, RequestError

if TYPE_CHECKING:
    from lorify.adapters import AdapterStack
    from lorify.answering.answerer import Answer
    from lorify.answering.plan import AnswerRequest, Query
    from lorify.answering.sources import Source
    from lorify.base.decoding.sampling import GenerationOptions
    from lorify.facade import Lorify


NOT_STATED_REASON = "the documents do not state an answer"
"""`reason` in JSON where an answer is withheld."""


COMMANDS_TO_QUIT = ("/quit", "/exit")
"""They end a chat, and questions on standard input."""


def read_questions(given: list[str] | None, *, required: bool) -> list[str]:
    """Return the questions of `-q`, or else those on standard input, one per line, up to `/quit`.

    Args:
        given: the questions of `-q`.
        required: whether a command with a person at the terminal needs a question.

    Returns:
        The questions; empty if a person at the terminal can chat instead.

    Raises:
        LorifyError: if a required question is missing or empty, or standard input is not in UTF-8.
    """
    if not all(question.strip() for question in given or []):
        raise LorifyError("a question is empty; give each -q a text")
    return given or _piped_questions(required=required)


def _piped_questions(*, required: bool) -> list[str]:
    if is_interactive():
        if required:
            raise LorifyError("--compare, --choice and --json need at least one question; give it with -q")
        return []
    try:
        lines = sys.stdin.buffer.read().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise LorifyError("standard input is not UTF-8 text; convert it, or give questions with -q") from None
    stripped = takewhile(lambda line: line not in COMMANDS_TO_QUIT, map(str.strip, lines))
    questions = [line for line in stripped if line]
    if not questions:
        raise LorifyError("there is no question; give one with -q, or one per line on standard input")
    return questions


def is_interactive() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin.isatty()


@dataclass(frozen=True)
class AnswerStyle:
    """How answers are generated, and what is written with them.

    Attributes:
        options: length limit and form of the answers.
        sources: also write the sentence that each answer was taken from.
        all_sources: write the answer of each document that answers a question, with its sources.
        not_stated: reply in place of an answer that the documents do not state; empty: answers are written while they
            are generated, whatever the documents say.
        grounded: reply so also to questions that have nothing to do with the documents.
    """

    options: GenerationOptions
    sources: bool = False
    all_sources: bool = False
    not_stated: str = NOT_STATED
    grounded: bool = False

    def query(self, question: str, adapters: AdapterStack) -> Query:
        """Return the query that asks a question so."""
        from lorify.answering.plan import Query

        return Query(
            question, adapters, not_stated=self.not_stated or None, grounded=self.grounded, schema=self.options.schema
        )


def stream_answers(model: Lorify, adapters: AdapterStack, questions: list[str], style: AnswerStyle) -> None:
    """Write the answers to standard output; notes and warnings go to standard error.

    Args:
        model: answers the questions.
        adapters: the adapters to answer with.
        questions: the questions; each is asked by itself.
        style: how to answer, and what to write with an answer.
    """
    for question in questions:
        if len(questions) > 1:
            print_line(f"Q: {question}")
        write_answer(model, model.answerer.request(style.query(question, adapters)), style)


def write_answer(model: Lorify, request: AnswerRequest, style: AnswerStyle) -> str:
    """Write the answer to standard output, with its sources; notes and warnings go to standard error.

    Args:
        model: answers the question.
        request: the question, as `style.not_stated` wants it.
        style: what to write.

    Returns:
        The answer.
    """
    from lorify.answering.answerer import Answer

    if style.all_sources and (answers := _write_by_document(model, request, style.options)):
        return "\n".join(answers)
    (plan,) = model.answerer.plan([request])
    if style.not_stated and (plan.is_on or plan.is_declined):
        (answer,) = model.answerer.answer([plan], style.options, with_confidence=True)
        print_line(answer.text)
    else:
        text = write_stream(model.answerer.stream(plan, style.options))
        signals = model.answerer.signals(plan, text)
        answer = Answer(text, plan.is_on, model.answerer.confidence(signals), signals=signals)
    note_if_cut(model, plan, answer.text, style.options)
    if not plan.is_on and not plan.is_declined and not request.adapters.is_empty:
        note_bare_answer()
    if answer.withheld is None:
        warn_if_doubtful(model, answer.confidence)
        if (style.sources or style.all_sources) and plan.is_on and answer.source is not None:
            write_source(answer.source)
    return answer.text


def write_source(source: Source) -> None:
    """Write the sentence that an answer was taken from, with the name of its document."""
    print_line(source_line(source.document, source.sentence))


def source_line(document: str, sentence: str) -> str:
    """Return the line that shows a source."""
    return f'  {document}: "{" ".join(sentence.split())}"'


def _write_by_document(model: Lorify, request: AnswerRequest, options: GenerationOptions) -> list[str]:
    """Write what each document answers, with its sources; returns the answers, none if no document answers."""
    from lorify.answering.by_document import answer_by_document

    answers = answer_by_document(model.answerer, request, options)
    for answer in answers:
        print_line(answer.text)
        for source in answer.sources:
            write_source(source)
    return [answer.text for answer in answers]


def answer_json(
    model: Lorify, adapters: AdapterStack, question: str, style: AnswerStyle, *, document: str | None = None
) -> dict[str, Any]:
    """Answer a question and return the answer with its time as JSON.

    Args:
        model: answers the question.
        adapters: the adapters to answer with.
        question: the question.
        style: how to answer, and whether to give the answer of each document; the source is always given.
        document: also answer without adapters, and with this document in the prompt.
    """
    from lorify.answering.by_document import answer_by_document
    from lorify.answering.plan import Query

    options = style.options
    with show_spinner(f"answering {question}"):
        query = style.query(question, adapters)
        answer, seconds = _answer(model, query, options)
        result = {"question": question, "adapter_on": answer.adapter_on, **_timed(answer, seconds)}
        result["probably_right"] = None if answer.confidence is None else round(answer.confidence, 3)
        is_given = answer.withheld is None
        source = answer.source if answer.adapter_on and is_given else None
        result["sources"] = [source.as_dict()] if source is not None else []
        if style.all_sources:
            by_document = answer_by_document(model.answerer, model.answerer.request(query), options)
            result["by_document"] = [each.as_dict() for each in by_document]
        if is_given:
            warn_if_doubtful(model, answer.confidence)
        if document is not None:
            result["base_alone"] = _timed(*_answer(model, Query(question), options))
            in_prompt = Query(question, document=document)
            fits = len(model.answerer.request(in_prompt).prompt_ids) < model.base.window_tokens
            result["document_in_prompt"] = _timed(*_answer(model, in_prompt, options)) if fits else None
    return result


def choose_answers(
    model: Lorify, adapters: AdapterStack, questions: list[str], choices: list[str], *, as_json: bool
) -> list[dict[str, Any]]:
    """Answer each question with the most probable choice; write it to standard output unless it is for JSON.

    Args:
        model: answers the questions.
        adapters: the adapters to answer with.
        questions: the questions.
        choices: the possible answers.
        as_json: write nothing.

    Returns:
        Question, answer and the probability of each choice, as JSON.
    """
    from lorify.answering.choices import rank_choices
    from lorify.answering.plan import Query

    results = []
    for question in questions:
        plan = model.answerer.plan_query(Query(question, adapters))
        ranked = rank_choices(model.base, plan, choices)
        if not as_json:
            print_line(f"Q: {question}\n{ranked[0].text}" if len(questions) > 1 else ranked[0].text)
        probabilities = [{"text": choice.text, "probability": round(choice.probability, 4)} for choice in ranked]
        result = {"question": question, "adapter_on": plan.is_on, "answer": ranked[0].text, "choices": probabilities}
        results.append(result)
    return results


def check_combination(
    *,
    choices: list[str] | None,
    schema: bool,
    sources: bool,
    all_sources: bool,
    not_stated: str,
    grounded: bool,
    has_documents: bool = True,
) -> None:
    """Refuse options that would be ignored beside others, before a model is loaded.

    Args:
        choices: those of `--choice`.
        schema: whether `--schema` is given.
        sources, all_sources, not_stated, grounded: as for `AnswerStyle`.
        has_documents: whether there may be documents to answer from.

    Raises:
        RequestError: if one would be ignored.
    """
    given = {
        "--sources": sources,
        "--all-sources": all_sources,
        "--not-stated": bool(not_stated) and not_stated != NOT_STATED,
        "--grounded": grounded,
    }
    named = [option for option, is_given in given.items() if is_given]
    if named and not has_documents:
        raise RequestError(f"{named[0]} is about documents, and there is none; give a document or leave it out")
    replied = next((option for option in ("--not-stated", "--grounded") if given[option]), None)
    if replied and (choices or schema):
        other = "--choice" if choices else "--schema"
        raise RequestError(f"the reply of {replied} would not be an answer that {other} allows; leave one out")
    if grounded and not not_stated:
        raise RequestError("--grounded replies with the text of --not-stated, which is empty; leave one out")


def check_given_choices(
    choices: list[str] | None,
    questions: list[str],
    *,
    compare: bool = False,
    schema: bool = False,
    sources: bool = False,
    all_sources: bool = False,
) -> list[str]:
    """Check the choices of `--choice` before a model is loaded; return them, empty if there are none.

    Raises:
        RequestError: if they are not valid, there is no question to choose for, or answers are to be compared, have a
            schema or be given with sources.
    """
    if not choices:
        return []
    from lorify.answering.choices import check_choices

    check_choices(choices)
    if not questions:
        raise RequestError("--choice needs at least one question; give it with -q")
    if compare:
        raise RequestError("--compare writes free answers; leave out --choice or --compare")
    if schema:
        raise RequestError("--choice and --schema both say what an answer can be; leave one out")
    if sources or all_sources:
        option = "--sources" if sources else "--all-sources"
        raise RequestError(f"{option} quotes where a free answer comes from; leave out --choice or {option}")
    return choices


def _answer(model: Lorify, query: Query, options: GenerationOptions) -> tuple[Answer, float]:
    """Answer one query; returns the answer and the seconds it took, not counting its confidence."""
    started = time.perf_counter()
    plan = model.answerer.plan_query(query)
    (answer,) = model.answerer.answer([plan], options)
    note_if_cut(model, plan, answer.withheld or answer.text, options)
    seconds = time.perf_counter() - started
    confidence = None if answer.signals is None else model.answerer.confidence(answer.signals)
    return replace(answer, confidence=confidence), seconds


def _timed(answer: Answer, seconds: float) -> dict[str, Any]:
    if answer.withheld is None:
        return {"answer": answer.text, "seconds": round(seconds, 3)}
    return {
        "answer": None,
        "reason": NOT_STATED_REASON,
        "withheld": answer.withheld or None,
        "seconds": round(seconds, 3),
    }
