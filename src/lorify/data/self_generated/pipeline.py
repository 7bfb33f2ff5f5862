"""Documents -> questions by a writer -> the base's own answers by a teacher, with its log-probabilities, in shards.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3: the teacher is the base with the context in its prompt, its answers
are learned through its top 16 predictions at each token.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from lorify.base.chat import build_prompt_ids, question_messages
from lorify.data.examples import Example
from lorify.data.self_generated.store import (
    SOURCE,
    SelfGeneratedRecord,
    TaughtQuestion,
    is_whole,
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


def generate_data(
    documents: Sequence[str],
    folder: Path,
    *,
    teacher: Teacher,
    writer: QuestionWriter,
    rounds: int = 1,
    questions_per_round: int = 5,
    short_answers: bool = False,
    top_k: int = 16,
    max_new_tokens: int = 256,
    contexts_per_shard: int = 64,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Make self-generated data, or go on with it; whole shards that are there stay as they are.

    Args:
        documents: contexts; one that came before, but for case and spaces, is left out.
        folder: where to.
        teacher: who answers.
        writer: who asks.
        rounds: rounds of questions a context, each knowing the earlier ones'.
        questions_per_round: questions asked for in each.
        short_answers: every question says that a few words are enough.
        top_k: log-probabilities kept of each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
        contexts_per_shard: contexts a shard.
        report: called with the number of contexts done since the last call, and that of all.

    Returns:
        How many contexts the folder holds, those without questions included.

    Raises:
        EvaluationError: if there is no document, the folder was made with other settings, or the writer or the
            teacher fails.
    """
    contexts = distinct(documents)
    if not contexts:
        raise EvaluationError("there is no document to ask about; give a file with at least one text")
    record = SelfGeneratedRecord(
        base_name=teacher.base.name,
        base_digest=teacher.base.digest,
        writer=writer.name,
        documents_digest=hashlib.sha256(json.dumps(contexts).encode()).hexdigest(),
        top_k=top_k,
        rounds=rounds,
        questions_per_round=questions_per_round,
        short_answers=short_answers,
        contexts_per_shard=contexts_per_shard,
        max_new_tokens=max_new_tokens,
    )
    open_folder(folder, record)
    for number in range(-(-len(contexts) // contexts_per_shard)):
        of_shard = contexts[number * contexts_per_shard : (number + 1) * contexts_per_shard]
        if is_whole(shard_path(folder, number)):
            if report is not None:
                report(len(of_shard), len(contexts))
            continue
        examples = []
        asked = ask_in_rounds(writer, of_shard, rounds, questions_per_round)
        if short_answers:
            asked = [in_short(context, questions) for context, questions in zip(of_shard, asked, strict=True)]
        for start in range(0, len(of_shard), teacher.contexts_at_once):
            group = slice(start, start + teacher.contexts_at_once)
            taught = teach_all(teacher, of_shard[group], asked[group], top_k=top_k, max_new_tokens=max_new_tokens)
            examples += [
                Example((context,), tuple(questions), SOURCE)
                for context, questions in zip(of_shard[group], taught, strict=True)
            ]
            if report is not None:
                report(len(taught), len(contexts))
        write_shard(folder, number, examples)
    return len(contexts)


def in_short(context: str, questions: Sequence[str]) -> list[str]:
    """The questions about a context, each after a request for a short answer, which is always the same."""
    rng = random.Random(context)
    return [f"{rng.choice(SHORT_ANSWERS)}\n\n{question}" for question in questions]


def distinct(texts: Sequence[str]) -> list[str]:
    """Texts without those that came before or are empty, case and white space aside, in order."""
    kept: dict[str, str] = {}
    for text in texts:
        name = " ".join(text.lower().split())
        if name:
            kept.setdefault(name, text.strip())
    return list(kept.values())


def ask_in_rounds(writer: QuestionWriter, contexts: Sequence[str], rounds: int, count: int) -> list[list[str]]:
    """Distinct questions of all rounds about each context."""
    asked: list[list[str]] = [[] for _ in contexts]
    for _ in range(rounds):
        further = writer.write_all(contexts, asked, count)
        asked = [distinct([*before, *new]) for before, new in zip(asked, further, strict=True)]
    return asked


def teach(
    teacher: Teacher, context: str, questions: Sequence[str], *, top_k: int, max_new_tokens: int
) -> list[TaughtQuestion]:
    """The teacher's greedy answers about one context; see `teach_all`."""
    return teach_all(teacher, [context], [questions], top_k=top_k, max_new_tokens=max_new_tokens)[0]


def teach_all(
    teacher: Teacher, contexts: Sequence[str], asked: Sequence[Sequence[str]], *, top_k: int, max_new_tokens: int
) -> list[list[TaughtQuestion]]:
    """The teacher's greedy answers with each context in the prompt; questions that leave no room for one are left out.

    As published, the chats have no system turn: what the student is trained on is the teacher's prompt without the
    context.
    """
    base = teacher.base
    prompts = {
        (i, question): build_prompt_ids(base.tokenizer, question_messages(question, context))
        for i, (context, questions) in enumerate(zip(contexts, asked, strict=True))
        for question in questions
    }
    fitting = [key for key, prompt in prompts.items() if len(prompt) + max_new_tokens < base.window_tokens]
    answers = []
    if fitting:
        answers = teacher.answer([prompts[key] for key in fitting], top_k=top_k, max_new_tokens=max_new_tokens)
    taught: list[list[TaughtQuestion]] = [[] for _ in contexts]
    for (i, question), answer in zip(fitting, answers, strict=True):
        text = cast(str, base.tokenizer.decode(list(answer.ids), skip_special_tokens=True)).strip()
        taught[i].append(TaughtQuestion(question, (text,), answer.ids, answer.top_ids, answer.top_log_probs))
    return taught
