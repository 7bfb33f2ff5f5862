"""Plain documents without questions: passages, with sentences of their own to complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lorify.data.examples import Example, Question
from lorify.data.sources.json_lines import read_json_lines
from lorify.errors import EvaluationError

SOURCE = "texts"
MIN_SENTENCE_WORDS = 10
MAX_SENTENCE_WORDS = 40
MIN_PASSAGE_SENTENCES = 3

_SENTENCE = re.compile(r"[A-Z][^.!?\n]*(?:\n(?!\n)[^.!?\n]*)*[.!?](?=\s|$)")


def load_text_examples(path: Path, *, max_context_chars: int) -> list[Example]:
    """Read documents from JSON lines and cut them into passages with sentences to complete.

    A line is an object with `text`; other fields are ignored. A passage is a run of whole paragraphs. A question gives
    the first half of a sentence of the passage; its answer is the other half.

    Args:
        path: a JSON lines file.
        max_context_chars: longest passage, in characters; longer paragraphs are dropped.

    Returns:
        Examples of one passage each, with source `texts`.

    Raises:
        EvaluationError: if the file cannot be read, a line is malformed (its number is given), or no passage is left.
    """
    examples = [example for text in read_texts(path) for example in _split_into_passages(text, max_context_chars)]
    if not examples:
        raise EvaluationError(f"{path} gave no passages; expected paragraphs of up to {max_context_chars} characters")
    return examples


def read_texts(path: Path) -> Iterator[str]:
    """Read the `text` of each line of a JSON lines file; blank lines are skipped.

    Raises:
        EvaluationError: if the file cannot be read, or a line is malformed (its number is given).
    """
    for place, row in read_json_lines(path):
        text = row.get("text") if isinstance(row, dict) else None
        if not isinstance(text, str):
            raise EvaluationError(f"{place} has no `text`; expected one JSON object per line")
        yield text


def _split_into_passages(text: str, max_chars: int) -> Iterator[Example]:
    passage = ""
    for paragraph in re.split(r"\n\s*\n", text):
        if len(passage) + len(paragraph) + 2 > max_chars:
            yield from _build_example(passage)
            passage = ""
        if len(paragraph) <= max_chars:
            passage = f"{passage}\n\n{paragraph}" if passage else paragraph
    yield from _build_example(passage)


def _build_example(passage: str) -> Iterator[Example]:
    sentences = [match.group() for match in _SENTENCE.finditer(passage)]
    lengths = [len(sentence.split()) for sentence in sentences]
    fitting = [s for s, n in zip(sentences, lengths, strict=True) if MIN_SENTENCE_WORDS <= n <= MAX_SENTENCE_WORDS]
    if len(fitting) >= MIN_PASSAGE_SENTENCES:
        yield Example((passage,), tuple(map(_build_completion, fitting)), SOURCE)


def _build_completion(sentence: str) -> Question:
    words = sentence.split()
    half = len(words) // 2
    return Question(f"How does this sentence go on? {' '.join(words[:half])}", (" ".join(words[half:]),))
