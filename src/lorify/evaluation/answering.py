"""Every method on every case of a suite. Methods take turns case by case, and another one begins each time.

So whatever else the machine does slows all of them alike, and their timings may be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lorify.evaluation.measuring import answer_timed, measured
from lorify.evaluation.methods import Method, Update, ask_together
from lorify.evaluation.metrics import exact_match, rouge_l, token_f1
from lorify.evaluation.runs import Answer, append_answers
from lorify.evaluation.suites import Case
from lorify.facade import Lorify

Report = Callable[[int, int], None]


def answer_cases(
    model: Lorify,
    cases: Sequence[Case],
    methods: Sequence[Method],
    *,
    max_new_tokens: int,
    folder: Path | None = None,
    done: Sequence[Answer] = (),
    report: Report = lambda done, total: None,
) -> list[Answer]:
    """Ask every question by every method.

    Args:
        model: base and hypernetwork.
        cases: contexts with questions.
        methods: the methods.
        max_new_tokens: longest answer, in tokens.
        folder: where each case's answers are appended to `answers.jsonl` as soon as they are there.
        done: answers that need not be asked for again, as `open_run` gives them.
        report: called with the number of answers since the last call and of all.

    Returns:
        All answers, those that were there included.
    """
    updates = [method.load(model, max_new_tokens) for method in methods]
    total = len(methods) * sum(len(case.questions) for case in cases)
    complete = _complete(cases, done)
    answers = [answer for answer in done if (answer.method, answer.case) in complete]
    report(len(answers), total)
    if len(answers) < total:
        model.ask("Hello", max_new_tokens=2)  # what happens once in a process shall not be in the first method's time
    for turn, case in enumerate(cases):
        for i in range(len(methods)):
            which = (turn + i) % len(methods)
            label = methods[which].label
            if (label, case.id) in complete:
                continue
            new = _answer_case(model, case, label, updates[which], max_new_tokens)
            if folder is not None:
                append_answers(folder, new)
            answers += new
            report(len(new), total)
    return answers


def _answer_case(model: Lorify, case: Case, label: str, update: Update, max_new_tokens: int) -> list[Answer]:
    with measured(model.base.device) as taken:
        knowledge = update(case)
    timed = answer_timed(model.base, knowledge, case.questions[0].text, max_new_tokens)
    others = ask_together(model, [(knowledge, question.text) for question in case.questions[1:]], max_new_tokens)
    answers = []
    for index, prediction in enumerate([timed.text, *others]):
        question = case.questions[index]
        rouge = rouge_l(prediction, question.answers)
        answers.append(
            Answer(
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
                exact=exact_match(prediction, question.answers),
                f1=token_f1(prediction, question.answers),
                rouge_l=rouge.f1,
                rouge_l_recall=rouge.recall,
                update_seconds=taken.seconds,
                update_peak_bytes=taken.peak_bytes,
                adapter_bytes=knowledge.adapter.num_bytes if knowledge.adapter is not None else 0,
                prompt_tokens=timed.prompt_tokens if index == 0 else None,
                first_token_seconds=timed.first_token_seconds if index == 0 else None,
                seconds_per_token=timed.seconds_per_token if index == 0 else None,
                kv_cache_bytes=timed.kv_cache_bytes if index == 0 else None,
                answer_peak_bytes=timed.peak_bytes if index == 0 else None,
            )
        )
    return answers


def _complete(cases: Sequence[Case], answers: Sequence[Answer]) -> set[tuple[str, str]]:
    """Methods and cases of which every question is answered."""
    wanted = {case.id: {(index, q.text) for index, q in enumerate(case.questions)} for case in cases}
    found: dict[tuple[str, str], set[tuple[int, str]]] = {}
    for answer in answers:
        found.setdefault((answer.method, answer.case), set()).add((answer.index, answer.question))
    return {key for key, questions in found.items() if questions == wanted.get(key[1])}
