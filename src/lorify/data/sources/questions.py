"""Reading comprehension from JSON lines, one question per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorify.data.examples import Example, Question
from lorify.data.sources.json_lines import read_json_lines
from lorify.errors import EvaluationError

Passages = dict[str, dict[str, list[str]]]
"""Context -> question -> answers."""


def load_question_examples(
    path: Path, *, max_context_chars: int | None = None, max_answer_chars: int | None = None
) -> list[Example]:
    """Read questions from JSON lines and group those about one passage of a file into one example.

    A line is an object with `context`, `question` and `answers` (a list of strings, the training target first); other
    fields are ignored. A question that occurs twice for a passage becomes one question with all the answers.

    Args:
        path: a file, or a folder whose `.jsonl` files are read in the order of names.
        max_context_chars: drop longer passages.
        max_answer_chars: drop questions whose first answer is longer.

    Returns:
        Examples of one document each, in the order of their first lines; `source` is the file name without extension.

    Raises:
        EvaluationError: if the path is missing or contains no `.jsonl` file, a line is malformed (its number is given),
            or no question is left.
    """
    paths = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not paths:
        raise EvaluationError(f"{path} holds no .jsonl file; expected files of one question per line")
    examples = [example for file in paths for example in _load_file(file, max_context_chars, max_answer_chars)]
    if not examples:
        raise EvaluationError(f"{path} gave no questions; expected at least one line, within the length limits if any")
    return examples


def group_by_passage(passages: Passages, source: str) -> list[Example]:
    """Build one example per passage, with the answers of each question deduplicated."""
    return [
        Example(
            (context,),
            tuple(Question(text, tuple(dict.fromkeys(answers))) for text, answers in questions.items()),
            source,
        )
        for context, questions in passages.items()
    ]


def _load_file(path: Path, max_context_chars: int | None, max_answer_chars: int | None) -> list[Example]:
    passages: Passages = {}
    for place, row in read_json_lines(path):
        context, question, answers = parse_question(row, place)
        if max_context_chars is not None and len(context) > max_context_chars:
            continue
        if max_answer_chars is not None and len(answers[0]) > max_answer_chars:
            continue
        passages.setdefault(context, {}).setdefault(question, []).extend(answers)
    return group_by_passage(passages, path.stem)


def parse_question(row: Any, place: str, *, subject_field: str = "context") -> tuple[str, str, list[str]]:
    """Read a question from a row of a data set.

    Args:
        row: the row, which should be a JSON object.
        place: file and line number, for error messages.
        subject_field: the field that contains the subject of the question.

    Returns:
        The subject, the question and its answers.

    Raises:
        EvaluationError: if it is not an object, or a field is missing or has the wrong type.
    """
    if not isinstance(row, dict):
        raise EvaluationError(f"{place}: not a JSON object; expected {subject_field}, question and answers")
    for field in (subject_field, "question"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise EvaluationError(f"{place}: field '{field}' is missing or empty; expected a text")
    answers = row.get("answers")
    if not isinstance(answers, list) or not answers or not all(isinstance(answer, str) for answer in answers):
        raise EvaluationError(f"{place}: field 'answers' is missing or empty; expected a list of texts")
    return row[subject_field], row["question"], answers
