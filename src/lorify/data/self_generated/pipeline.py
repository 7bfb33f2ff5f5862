"""Generate self-generated data: a writer asks questions about documents, the base answers them as the teacher.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3: the teacher is the base with the context in its prompt; the student
learns its answers from the top 16 predictions at each token.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from lorify.base.chat import build_prompt_ids, question_messages
from lorify.data.examples import Example
from lorify.data.self_generated.store import (
    SOURCE,
    SelfGeneratedQuestion,
    SelfGeneratedRecord,
    is_complete,
    open_folder,
    shard_path,
    write_shard,
)
from lorify.data.self_generated.teachers import Teacher
from lorify.data.self_generated.writers import QuestionWriter
from lorify.errors import EvaluationError

SHORT_ANSWERS = (
    "Give only the answer to this question, in a few words.",
    "Answer briefly and without any explanation.",
    "What is the answer? Say just that, and nothing around it.",
    "Reply with the shortest correct answer that the text gives.",
)
"""Requests for a short answer; one of them precedes each question if short answers are wanted."""

Report = Callable[[int, int], None]
"""Called with the number of contexts done since the last call, and the total number of contexts."""


@dataclass(frozen=True)
class GenerationSettings:
    """Settings of generation; recorded beside the data, so that a folder is only resumed with the same settings.

    Attributes:
        rounds: rounds of questions per context; each round sees the questions of the earlier ones.
        questions_per_round: questions requested in each round.
        short_answers: precede every question with a request for a short answer.
        top_k: log-probabilities stored for each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
        contexts_per_shard: contexts per shard.
    """

    rounds: int = 1
    questions_per_round: int = 5
    short_answers: bool = False
    top_k: int = 16
    max_new_tokens: int = 256
    contexts_per_shard: int = 64


DEFAULT_SETTINGS = GenerationSettings()


def generate_self_generated(
    documents: Sequence[str],
    folder: Path,
    *,
    teacher: Teacher,
    writer: QuestionWriter,
    settings: GenerationSettings = DEFAULT_SETTINGS,
    report: Report | None = None,
) -> int:
    """Generate self-generated data, or resume; complete shards are left alone.

    Args:
        documents: contexts; duplicates (ignoring case and white space) are dropped.
        folder: where to write.
        teacher: answers the questions.
        writer: writes the questions.
        settings: what to generate.
        report: called as contexts are done.

    Returns:
        Number of contexts in the folder, including those without questions.

    Raises:
        EvaluationError: if there are no documents, the folder was generated with other settings, or the writer or the
            teacher fails.
    """
    contexts = remove_duplicates(documents)
    if not contexts:
        raise EvaluationError("there is no document to ask about; give a file with at least one text")
    open_folder(folder, _build_record(contexts, teacher, writer, settings))
    size = settings.contexts_per_shard
    for number, start in enumerate(range(0, len(contexts), size)):
        shard = contexts[start : start + size]
        if is_complete(shard_path(folder, number)):
            if report is not None:
                report(len(shard), len(contexts))
            continue
        questions = _write_questions(writer, shard, settings)
        examples = []
        for batch in _batches(shard, questions, teacher.preferred_contexts):
            examples += _answer_batch(teacher, *batch, settings)
            if report is not None:
                report(len(batch[0]), len(contexts))
        write_shard(folder, number, examples)
    return len(contexts)


def _build_record(
    contexts: Sequence[str], teacher: Teacher, writer: QuestionWriter, settings: GenerationSettings
) -> SelfGeneratedRecord:
    return SelfGeneratedRecord(
        base_name=teacher.base.name,
        base_digest=teacher.base.digest,
        writer=writer.name,
        documents_digest=hashlib.sha256(json.dumps(contexts).encode()).hexdigest(),
        **asdict(settings),
    )


def _write_questions(writer: QuestionWriter, contexts: Sequence[str], settings: GenerationSettings) -> list[list[str]]:
    questions = write_in_rounds(writer, contexts, settings.rounds, settings.questions_per_round)
    if not settings.short_answers:
        return questions
    return [request_short_answers(context, own) for context, own in zip(contexts, questions, strict=True)]


def _batches(
    contexts: Sequence[str], questions: Sequence[list[str]], size: int
) -> list[tuple[Sequence[str], Sequence[list[str]]]]:
    starts = range(0, len(contexts), size)
    return [(contexts[start : start + size], questions[start : start + size]) for start in starts]


def _answer_batch(
    teacher: Teacher, contexts: Sequence[str], questions: Sequence[list[str]], settings: GenerationSettings
) -> list[Example]:
    answered = answer_contexts(
        teacher, contexts, questions, top_k=settings.top_k, max_new_tokens=settings.max_new_tokens
    )
    return [Example((context,), tuple(own), SOURCE) for context, own in zip(contexts, answered, strict=True)]


def request_short_answers(context: str, questions: Sequence[str]) -> list[str]:
    """Precede each question with a request for a short answer; the same context gets the same requests every time."""
    rng = random.Random(context)
    return [f"{rng.choice(SHORT_ANSWERS)}\n\n{question}" for question in questions]


def remove_duplicates(texts: Sequence[str]) -> list[str]:
    """Drop empty texts and duplicates, ignoring case and white space; the first of each and the order are kept."""
    kept: dict[str, str] = {}
    for text in texts:
        key = " ".join(text.lower().split())
        if key:
            kept.setdefault(key, text.strip())
    return list(kept.values())


def write_in_rounds(writer: QuestionWriter, contexts: Sequence[str], rounds: int, count: int) -> list[list[str]]:
    """Write `count` questions about each context in each of several rounds, without duplicates."""
    questions: list[list[str]] = [[] for _ in contexts]
    for _ in range(rounds):
        new_questions = writer.write_all(contexts, questions, count)
        questions = [remove_duplicates([*old, *new]) for old, new in zip(questions, new_questions, strict=True)]
    return questions


def answer_context(
    teacher: Teacher, context: str, questions: Sequence[str], *, top_k: int, max_new_tokens: int
) -> list[SelfGeneratedQuestion]:
    """Answer questions about one context; see `answer_contexts`."""
    return answer_contexts(teacher, [context], [questions], top_k=top_k, max_new_tokens=max_new_tokens)[0]


def answer_contexts(
    teacher: Teacher, contexts: Sequence[str], questions: Sequence[Sequence[str]], *, top_k: int, max_new_tokens: int
) -> list[list[SelfGeneratedQuestion]]:
    """Answer questions greedily with their context in the prompt; those whose prompt is too long are dropped.

    As published, the chats have no system turn. The student is trained on the teacher's prompt without the context.

    Args:
        teacher: answers the questions.
        contexts: the contexts.
        questions: the questions about each context.
        top_k: log-probabilities stored for each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
    """
    base = teacher.base
    prompts = {
        (i, question): build_prompt_ids(base.tokenizer, question_messages(question, context))
        for i, (context, own) in enumerate(zip(contexts, questions, strict=True))
        for question in own
    }
    fitting = [key for key, prompt in prompts.items() if len(prompt) + max_new_tokens < base.window_tokens]
    answers = []
    if fitting:
        answers = teacher.answer([prompts[key] for key in fitting], top_k=top_k, max_new_tokens=max_new_tokens)
    answered: list[list[SelfGeneratedQuestion]] = [[] for _ in contexts]
    for (i, question), answer in zip(fitting, answers, strict=True):
        text = cast(str, base.tokenizer.decode(list(answer.ids), skip_special_tokens=True)).strip()
        answered[i].append(SelfGeneratedQuestion(question, (text,), answer.ids, answer.top_ids, answer.top_log_probs))
    return answered
