"""Answers to cases that differ in the description of their task alone, by methods that do not read it."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.evaluation.methods.api import Method
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.suites.cases import Case


class RepeatedCases:
    """Copies the answers of one method from an earlier case of the same task with the same questions and prompts."""

    def __init__(self, method: Method) -> None:
        """Copy the answers of a method, unless it reads descriptions."""
        self._method = method

    def answer(self, block: Sequence[Case], answers: Sequence[AnswerRecord]) -> list[AnswerRecord]:
        """Return the answers to all cases of a block; none if one of them has to be asked."""
        if self._method.reads_description or any(case.form is None or case.task is None for case in block):
            return []
        known: dict[tuple[str, int, str], AnswerRecord] = {}
        for answer in answers:
            if answer.method == self._method.label:
                known.setdefault((answer.group, answer.index, answer.question), answer)
        wanted = [(case, index, question.text) for case in block for index, question in enumerate(case.questions)]
        found = [(case, known.get((case.group, index, text))) for case, index, text in wanted]
        if any(answer is None for _, answer in found):
            return []
        return [
            answer.model_copy(update={"case": case.id, "seed": case.task.seed})
            for case, answer in found
            if answer is not None and case.task is not None
        ]
