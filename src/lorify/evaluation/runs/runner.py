"""Every method on every case of a suite. Methods take turns, and another one begins each time.

So whatever else the machine does slows all of them alike, and their timings may be compared. What is timed is one
question of each case, asked alone. Without timings many cases' questions are asked together, which is several times
quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lorify.answering.answerer import Answerer
from lorify.answering.batches import answer_in_batches
from lorify.answering.plan import AnswerPlan, Query
from lorify.base.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.evaluation.methods.api import Method, PreparedCase, Update, check_questions, longest_answer
from lorify.evaluation.methods.documents import case_contexts
from lorify.evaluation.runs.folder import append_answers, rewrite_answers
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.runs.timing import Measurement, TimedAnswer, answer_timed, measured, quick_collection
from lorify.evaluation.scoring.choices import nearest_choice
from lorify.evaluation.scoring.metrics import exact_match, rouge_l, score_answer, token_f1
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
    """Ask every question by every method.

    Args:
        model: base and hypernetwork.
        cases: contexts with questions.
        methods: the methods.
        max_new_tokens: longest answer, in tokens; a case may need less.
        timed: ask the first question of each case alone and time it.
        folder: where answers are appended to `answers.jsonl` as soon as they are there.
        done: answers that need not be asked for again, as `open_run` gives them; those of cases that were cut short
            are dropped, also from the folder.
        report: called with the number of answers since the last call and of all.

    Returns:
        All answers, those that were there included.

    Raises:
        EvaluationError: if a question alone is longer than the base's window; nothing is asked then.
    """
    blocks = [[case] for case in cases] if timed else list(_blocks(cases))
    total = len(methods) * sum(len(case.questions) for case in cases)
    kept = {method.label: _complete(blocks, [a for a in done if a.method == method.label]) for method in methods}
    answers = [a for a in done if a.case in kept.get(a.method, ())]
    check_questions(model.answerer, [c for c in cases if any(c.id not in ids for ids in kept.values())], max_new_tokens)
    if folder is not None and len(answers) < len(done):
        rewrite_answers(folder, answers)
    report(len(answers), total)
    if len(answers) == total:
        return answers
    updates = {method.label: method.load(model, max_new_tokens) for method in methods}
    _warm_up(model, methods, cases[0])
    with quick_collection():
        for turn, block in enumerate(blocks):
            for i in range(len(methods)):
                label = methods[(turn + i) % len(methods)].label
                if block[0].id in kept[label]:
                    continue
                new = _answer_block(model.answerer, block, label, updates[label], max_new_tokens, timed)
                if folder is not None:
                    append_answers(folder, new)
                answers += new
                report(len(new), total)
    return answers


def _warm_up(model: Lorify, methods: Sequence[Method], case: Case) -> None:
    """What happens once in a process shall not be in the first method's time."""
    model.ask("Hello", max_new_tokens=2)
    needs = {method.needs for method in methods}
    if "documents" in needs:
        model.internalize(*case_contexts(case) if case.images else [document_from_text("The mill opens at nine.")])
    if "tasks" in needs:
        model.specialize("Say when the mill opens.")


def _blocks(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases whose questions are asked together; the same cases give the same blocks, so a resumed run is the same."""
    block: list[Case] = []
    for case in cases:
        block.append(case)
        if (
            sum(len(c.questions) for c in block) >= BLOCK_QUESTIONS
            or sum(c.length_tokens for c in block) >= BLOCK_TOKENS
        ):
            yield block
            block = []
    if block:
        yield block


def _answer_block(
    answerer: Answerer, block: Sequence[Case], label: str, update: Update, max_new_tokens: int, timed: bool
) -> list[AnswerRecord]:
    rows: list[tuple[Case, int, PreparedCase, Measurement]] = []
    for case in block:
        with measured(answerer.base.device) as taken:
            knowledge = update(case)
        rows += [(case, index, knowledge, taken) for index in range(len(case.questions))]
    first = block[0]
    answerer = rows[0][2].answerer or answerer
    limit = longest_answer(first, max_new_tokens)
    alone = answer_timed(answerer, rows[0][2], first.questions[0].text, limit) if timed else None
    texts = [alone.text] if alone is not None else []
    texts += _ask(answerer, [(case, index, known) for case, index, known, _ in rows[len(texts) :]], max_new_tokens)
    return [
        _as_answer(label, case, index, text, known, taken, alone if index == 0 else None)
        for (case, index, known, taken), text in zip(rows, texts, strict=True)
    ]


def _ask(answerer: Answerer, rows: Sequence[tuple[Case, int, PreparedCase]], max_new_tokens: int) -> list[str]:
    """Answer questions of cases, each given by its index in its case."""
    queries = [known.query_for(case.questions[index].text) for case, index, known in rows]
    planned = [(query, answerer.plan_query(query)) for query in queries]
    # If the expected answer is the bare base's own and the bare base is asked, the answer is known. Asking again in
    # another batch would only add rounding differences.
    answers: list[str | None] = [
        case.questions[index].answers[0] if case.answers_are_the_bases and _is_bare(query, plan) else None
        for (case, index, _), (query, plan) in zip(rows, planned, strict=True)
    ]
    by_limit: dict[int, list[int]] = {}
    for number, ((case, _, _), answer) in enumerate(zip(rows, answers, strict=True)):
        if answer is None:
            by_limit.setdefault(longest_answer(case, max_new_tokens), []).append(number)
    for limit, numbers in by_limit.items():
        new = answer_in_batches(answerer, [planned[i] for i in numbers], GenerationOptions(limit))
        for i, answer in zip(numbers, new, strict=True):
            answers[i] = answer.text
    return [answer or "" for answer in answers]


def _is_bare(query: Query, plan: AnswerPlan) -> bool:
    """Whether the bare base is asked with nothing but the question."""
    return not plan.is_on and query.document is None and not query.turns


def _as_answer(
    label: str,
    case: Case,
    index: int,
    prediction: str,
    knowledge: PreparedCase,
    taken: Measurement,
    timed: TimedAnswer | None,
) -> AnswerRecord:
    question = case.questions[index]
    scored = nearest_choice(prediction, case.choices) if case.choices else prediction
    rouge = rouge_l(scored, question.answers)
    return AnswerRecord(
        method=label,
        case=case.id,
        index=index,
        source=case.source,
        condition=case.condition,
        length_tokens=case.length_tokens,
        depth_bin=case.depth_bin,
        question=question.text,
        answers=question.answers,
        prediction=prediction,
        group=case.group,
        family=case.task.family if case.task else "",
        seed=case.task.seed if case.task else None,
        description=knowledge.description,
        metric=case.metric,
        score=score_answer(case.metric, scored, question.answers),
        exact=exact_match(scored, question.answers),
        f1=token_f1(scored, question.answers),
        rouge_l=rouge.f1,
        rouge_l_recall=rouge.recall,
        update_seconds=taken.seconds,
        update_peak_bytes=taken.peak_bytes,
        adapter_bytes=knowledge.adapter.num_bytes if knowledge.adapter is not None else 0,
        kept_bytes=knowledge.kept_bytes,
        prompt_tokens=timed.prompt_tokens if timed else None,
        first_token_seconds=timed.first_token_seconds if timed else None,
        seconds_per_token=timed.seconds_per_token if timed else None,
        kv_cache_bytes=timed.kv_cache_bytes if timed else None,
        answer_peak_bytes=timed.peak_bytes if timed else None,
    )


def _complete(blocks: Sequence[Sequence[Case]], answers: Sequence[AnswerRecord]) -> set[str]:
    """Cases of the blocks of which every question is answered."""
    found = {(a.case, a.index, a.question) for a in answers}
    return {
        case.id
        for block in blocks
        if all((c.id, index, q.text) in found for c in block for index, q in enumerate(c.questions))
        for case in block
    }
