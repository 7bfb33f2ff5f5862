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

from lorify.base.chat.prompts import build_prompt_ids
from lorify.data.examples import Example
from lorify.data.self_generated.prompts import LORIFY_PROMPTS, PROMPTS, DataPrompts, PromptStyle
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

Report = Callable[[int, int], None]
"""Called with the number of contexts done since the last call, and the total number of contexts."""


@dataclass(frozen=True)
class GenerationSettings:
    """Settings of generation; recorded with the data, so that a folder is only resumed with the same settings.

    Attributes:
        rounds: rounds of questions per context; each round sees the questions of the earlier ones.
        questions_per_round: questions requested in each round.
        short_answers: precede every question with a request for a short answer.
        top_k: log-probabilities stored for each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut, or with the published prompts dropped.
        contexts_per_shard: contexts per shard.
        prompts: wording of the requests and of the teacher's prompt.
    """

    rounds: int = 1
    questions_per_round: int = 5
    short_answers: bool = False
    top_k: int = 16
    max_new_tokens: int = 256
    contexts_per_shard: int = 64
    prompts: PromptStyle = "lorify"


DEFAULT_SETTINGS = GenerationSettings()


@dataclass(frozen=True)
class Part:
    """A part of a data set; several machines may generate the parts and write their shards to one folder.

    Attributes:
        source: name of the data set.
        offset: number of contexts before the part.
        is_last: whether the data set ends with it.
    """

    source: str
    offset: int
    is_last: bool = False

    def first_shard(self, num_contexts: int, contexts_per_shard: int) -> int:
        """Number of the part's first shard.

        Raises:
            EvaluationError: if the part does not begin and end with a shard.
        """
        is_whole = self.is_last or num_contexts % contexts_per_shard == 0
        if self.offset % contexts_per_shard or not is_whole:
            raise EvaluationError(
                f"contexts {self.offset} to {self.offset + num_contexts} are not whole shards; give multiples of "
                f"{contexts_per_shard}, the contexts of a shard, as offset and limit"
            )
        return self.offset // contexts_per_shard


def generate_self_generated(
    documents: Sequence[str],
    folder: Path,
    *,
    teacher: Teacher,
    writer: QuestionWriter,
    settings: GenerationSettings = DEFAULT_SETTINGS,
    report: Report | None = None,
    part: Part | None = None,
) -> int:
    """Generate self-generated data, or resume; complete shards are left alone.

    Args:
        documents: contexts; duplicates (ignoring case and white space) are dropped, in a part only within a shard.
        folder: folder to write.
        teacher: answers the questions.
        writer: writes the questions.
        settings: what to generate.
        report: called as contexts are done.
        part: which part of a larger data set the documents are; None: they are the whole data set.

    Returns:
        Number of contexts of this call, including those without questions.

    Raises:
        EvaluationError: if there are no documents, the folder was generated with other settings, or the writer or the
            teacher fails.
    """
    size = settings.contexts_per_shard
    contexts = remove_duplicates(documents) if part is None else list(documents)
    if not contexts:
        raise EvaluationError("there is no document to ask about; give a file with at least one text")
    first_shard = 0 if part is None else part.first_shard(len(contexts), size)
    open_folder(folder, _build_record(contexts, teacher, writer, settings, part))
    for number, start in enumerate(range(0, len(contexts), size), first_shard):
        shard = remove_duplicates(contexts[start : start + size])
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
    contexts: Sequence[str], teacher: Teacher, writer: QuestionWriter, settings: GenerationSettings, part: Part | None
) -> SelfGeneratedRecord:
    # A part does not know the other parts of its data set, so only the name of the data set is recorded.
    documents = json.dumps(contexts) if part is None else part.source
    return SelfGeneratedRecord(
        base_name=teacher.base.name,
        base_digest=teacher.base.digest,
        writer=writer.name,
        documents_digest=hashlib.sha256(documents.encode()).hexdigest(),
        **asdict(settings),
    )


def _write_questions(writer: QuestionWriter, contexts: Sequence[str], settings: GenerationSettings) -> list[list[str]]:
    questions = write_in_rounds(writer, contexts, settings.rounds, settings.questions_per_round)
    if not settings.short_answers:
        return questions
    requests = PROMPTS[settings.prompts]().short_answers
    return [request_short_answers(context, own, requests) for context, own in zip(contexts, questions, strict=True)]


def _batches(
    contexts: Sequence[str], questions: Sequence[list[str]], size: int
) -> list[tuple[Sequence[str], Sequence[list[str]]]]:
    starts = range(0, len(contexts), size)
    return [(contexts[start : start + size], questions[start : start + size]) for start in starts]


def _answer_batch(
    teacher: Teacher, contexts: Sequence[str], questions: Sequence[list[str]], settings: GenerationSettings
) -> list[Example]:
    answered = answer_contexts(
        teacher,
        contexts,
        questions,
        top_k=settings.top_k,
        max_new_tokens=settings.max_new_tokens,
        prompts=PROMPTS[settings.prompts](),
        keep_cut=settings.prompts == "lorify",
    )
    return [Example((context,), tuple(own), SOURCE) for context, own in zip(contexts, answered, strict=True)]


def request_short_answers(context: str, questions: Sequence[str], requests: Sequence[str]) -> list[str]:
    """Add a request for a short answer to each question; a context always gets the same requests.

    Args:
        context: the context.
        questions: questions about it.
        requests: the requests, with a field `{question}`.
    """
    rng = random.Random(context)
    return [rng.choice(requests).format(question=question) for question in questions]


def remove_duplicates(texts: Sequence[str]) -> list[str]:
    """Drop empty texts and duplicates, ignoring case and white space; first occurrences and their order are kept."""
    kept: dict[str, str] = {}
    for text in texts:
        key = " ".join(text.lower().split())
        if key:
            kept.setdefault(key, text.strip())
    return list(kept.values())


def write_in_rounds(writer: QuestionWriter, contexts: Sequence[str], rounds: int, count: int) -> list[list[str]]:
    """Write `count` questions about each context in each of several rounds, without duplicates.

    Args:
        writer: writes the questions.
        contexts: the contexts.
        rounds: number of rounds; each shows the writer the questions of the earlier ones.
        count: questions about a context in each round.

    Returns:
        The questions about each context.
    """
    questions: list[list[str]] = [[] for _ in contexts]
    for _ in range(rounds):
        new_questions = writer.write_all(contexts, questions, count)
        questions = [remove_duplicates([*old, *new]) for old, new in zip(questions, new_questions, strict=True)]
    return questions


def answer_context(
    teacher: Teacher,
    context: str,
    questions: Sequence[str],
    *,
    top_k: int,
    max_new_tokens: int,
    prompts: DataPrompts = LORIFY_PROMPTS,
) -> list[SelfGeneratedQuestion]:
    """Answer questions about one context; see `answer_contexts`."""
    return answer_contexts(
        teacher, [context], [questions], top_k=top_k, max_new_tokens=max_new_tokens, prompts=prompts
    )[0]


def answer_contexts(
    teacher: Teacher,
    contexts: Sequence[str],
    questions: Sequence[Sequence[str]],
    *,
    top_k: int,
    max_new_tokens: int,
    prompts: DataPrompts = LORIFY_PROMPTS,
    keep_cut: bool = True,
) -> list[list[SelfGeneratedQuestion]]:
    """Answer questions greedily with their context in the prompt; questions with too long prompts are dropped.

    As published, the chats have no system turn. The student is trained on the teacher's prompt without the context.

    Args:
        teacher: answers the questions.
        contexts: the contexts.
        questions: the questions about each context.
        top_k: log-probabilities stored for each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
        prompts: wording of the teacher's prompt.
        keep_cut: whether to keep answers that were cut.

    Returns:
        The questions about each context that have answers, in order.
    """
    base = teacher.base
    chats = {
        (i, question): build_prompt_ids(base.tokenizer, prompts.teacher_messages(question, context))
        for i, (context, own) in enumerate(zip(contexts, questions, strict=True))
        for question in own
    }
    fitting = [key for key, prompt in chats.items() if len(prompt) + max_new_tokens < base.window_tokens]
    answers = []
    if fitting:
        answers = teacher.answer([chats[key] for key in fitting], top_k=top_k, max_new_tokens=max_new_tokens)
    answered: list[list[SelfGeneratedQuestion]] = [[] for _ in contexts]
    for (i, question), answer in zip(fitting, answers, strict=True):
        if not keep_cut and answer.ids[-1] not in base.stop_ids:
            continue
        text = cast(str, base.tokenizer.decode(list(answer.ids), skip_special_tokens=True)).strip()
        answered[i].append(
            SelfGeneratedQuestion(
                question, (text,), answer_ids=answer.ids, top_ids=answer.top_ids, top_log_probs=answer.top_log_probs
            )
        )
    return answered
