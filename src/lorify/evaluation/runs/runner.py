"""Answering all cases of a suite by all methods.

Methods take turns, and each turn starts with another method, so that other load on the machine slows all of them alike
and their times can be compared. In a timed run, one question of each case is asked alone. Otherwise the questions of
many cases are asked in batches, which is several times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lorify.contexts.documents import document_from_text
from lorify.evaluation.methods.api import Method, check_questions, check_schemas, needed_kinds
from lorify.evaluation.methods.contexts import case_contexts
from lorify.evaluation.runs.block import answer_block
from lorify.evaluation.runs.folder import append_answers, rewrite_answers
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.runs.repeated_cases import RepeatedCases
from lorify.evaluation.runs.timing import frozen_garbage
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

Report = Callable[[int, int], None]

BLOCK_QUESTIONS = 48
BLOCK_TOKENS = 16_384


def answer_cases(
    model: Lorify,
    cases: Sequence[Case],
    methods: Sequence[Method],
    *,
    max_new_tokens: int,
    timed: bool = True,
    folder: Path | None = None,
    done: Sequence[AnswerRecord] = (),
    report: Report = lambda done, total: None,
) -> list[AnswerRecord]:
    """Answer every question by every method.

    Args:
        model: base model and hypernetworks.
        cases: contexts with questions.
        methods: the methods.
        max_new_tokens: maximum answer length in tokens; a case may need less.
        timed: ask the first question of each case alone and time it.
        folder: run folder to append answers to as soon as they are given.
        done: answers of an interrupted run, from `open_run`; those of incomplete cases are dropped, also from the
            folder.
        report: called with the number of answers since the last call, and of all answers.

    Returns:
        All answers, including those of the interrupted run.

    Raises:
        EvaluationError: if a question alone does not fit into the context window, or asks for JSON that a method
            cannot answer in; nothing is asked then.
    """
    blocks = [[case] for case in cases] if timed else list(_blocks(cases))
    total = len(methods) * sum(len(case.questions) for case in cases)
    complete = {m.label: _complete_cases(blocks, [a for a in done if a.method == m.label]) for m in methods}
    answers = [a for a in done if a.case in complete.get(a.method, ())]
    open_cases = [case for case in cases if any(case.id not in ids for ids in complete.values())]
    check_questions(model.answerer, open_cases, max_new_tokens)
    check_schemas(methods, open_cases)
    if folder is not None and len(answers) < len(done):
        rewrite_answers(folder, answers)
    report(len(answers), total)
    if len(answers) == total:
        return answers
    ingest = {method.label: method.load(model, max_new_tokens) for method in methods}
    repeated = {method.label: RepeatedCases(method) for method in methods}
    _warm_up(model, methods, cases[0])
    with frozen_garbage():
        for block, label in _turns(blocks, [method.label for method in methods]):
            if block[0].id not in complete[label]:
                new = repeated[label].answer(block, answers)
                new = new or answer_block(model.answerer, block, label, ingest[label], max_new_tokens, timed=timed)
                if folder is not None:
                    append_answers(folder, new)
                answers += new
                report(len(new), total)
    return answers


def _turns(blocks: Sequence[Sequence[Case]], labels: Sequence[str]) -> Iterator[tuple[Sequence[Case], str]]:
    """Pair each block with every method, starting with another method for each block."""
    for turn, block in enumerate(blocks):
        for i in range(len(labels)):
            yield block, labels[(turn + i) % len(labels)]


def _warm_up(model: Lorify, methods: Sequence[Method], case: Case) -> None:
    """Run the models once, so that one-time costs do not count for the first method."""
    model.ask("Hello", max_new_tokens=2)
    needs = needed_kinds(methods)
    if "documents" in needs:
        model.internalize(*case_contexts(case) if case.images else [document_from_text("The mill opens at nine.")])
    if "tasks" in needs:
        model.specialize("Say when the mill opens.")


def _blocks(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Split cases into blocks whose questions are asked together.

    The same cases give the same blocks, so that a continued run gives the same answers.
    """
    block: list[Case] = []
    for case in cases:
        block.append(case)
        num_questions = sum(len(c.questions) for c in block)
        is_full = num_questions >= BLOCK_QUESTIONS or sum(c.length_tokens for c in block) >= BLOCK_TOKENS
        if is_full or case.form is not None:  # a case with a form may get the answers of an earlier one
            yield block
            block = []
    if block:
        yield block


def _complete_cases(blocks: Sequence[Sequence[Case]], answers: Sequence[AnswerRecord]) -> set[str]:
    """Find the cases of the blocks whose questions are all answered."""
    found = {(a.case, a.index, a.question) for a in answers}
    return {
        case.id
        for block in blocks
        if all((c.id, index, q.text) in found for c in block for index, q in enumerate(c.questions))
        for case in block
    }
