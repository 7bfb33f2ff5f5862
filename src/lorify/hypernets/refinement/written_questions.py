"""Questions about a document's own sentences, written by an adapter of the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.data.cloze.question_writing import question_writing_prompt
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import find_cloze_candidates
from lorify.hypernets.refinement.budget import is_over

QUESTION_TOKENS = 64
"""Most tokens that are written for a request: several questions."""
BATCH_SIZE = 12
TEMPERATURE = 0.8


class QuestionRequest(NamedTuple):
    """A request for questions about a sentence.

    Attributes:
        sentences: the sentences of a document.
        index: index of the sentence.
        answer: words of the sentence that the questions are to have as their answer; None for any questions.
    """

    sentences: Sequence[str]
    index: int
    answer: str | None = None


class WrittenQuestion(NamedTuple):
    """A question, and the request that it was written for."""

    question: str
    request: QuestionRequest


def requests_for_candidates(text: str) -> list[QuestionRequest]:
    """Return a request for each date, quantity and name in the sentences of a document."""
    sentences = split_sentences(text)
    return [
        QuestionRequest(sentences, sentences.index(candidate.sentence), candidate.answer)
        for candidate in find_cloze_candidates(text)
    ]


def write_questions(
    base: BaseLM,
    requests: Sequence[QuestionRequest],
    writer: Adapter,
    *,
    samples: int = 1,
    deadline: float | None = None,
    seed: int = 0,
) -> list[WrittenQuestion]:
    """Write questions about sentences.

    Args:
        base: the base.
        requests: what to write questions about, the most important requests first.
        writer: an adapter of the base, trained as in `lorify.data.cloze.question_writing`.
        samples: how often questions are written for each request.
        deadline: `time.perf_counter()` after which no batch begins but the first; None for no limit.
        seed: seeds the sampling.

    Returns:
        The questions, without duplicates for one request.
    """
    written: list[WrittenQuestion] = []
    for start in range(0, len(requests), BATCH_SIZE):
        if start and is_over(deadline):
            break
        options = GenerationOptions(QUESTION_TOKENS, temperature=TEMPERATURE, seed=seed + start * samples)
        written += _write_batch(base, requests[start : start + BATCH_SIZE], writer, options, samples)
    return written


def _write_batch(
    base: BaseLM, requests: Sequence[QuestionRequest], writer: Adapter, options: GenerationOptions, samples: int
) -> list[WrittenQuestion]:
    found = generate_batch(  # the writer was trained on prompts without a system turn
        base,
        [build_prompt_ids(base.tokenizer, question_messages(question_writing_prompt(*each))) for each in requests],
        options,
        lora=build_lora_batch([writer] * len(requests), base),
        stop_ids=base.stop_ids,
        samples=samples,
    )
    texts = [base.decode_text(ids) for ids in found]
    return [
        WrittenQuestion(question, request)
        for number, request in enumerate(requests)
        for question in _questions(texts[number * samples : (number + 1) * samples])
    ]


def _questions(texts: Sequence[str]) -> list[str]:
    """The questions of texts, one a line; the last line of a text may have been cut off."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line.endswith("?")))
