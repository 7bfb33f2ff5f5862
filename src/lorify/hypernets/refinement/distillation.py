"""Context distillation: a LoRA trained for one document by gradient descent, the slow way to what a hypernetwork does.

The LoRA learns to give a distribution over tokens without the document (the student), by KL over the likeliest tokens.
What it learns from are lessons of two kinds. Either the base with the document in its prompt answers questions about
it (the teacher), or questions are made for words of the document's own sentences, so that the answers are known (then
the KL is cross-entropy): by an adapter of the base that writes questions, or by rule. Training may start from nothing
or from an adapter that a hypernetwork wrote.

Source: Doc-to-LoRA (arXiv 2602.15902), its baseline with given or generated queries. Ours differs in that the steps
are relative to the size of each matrix, so that one learning rate serves both starts; the second kind is lorify's own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance, build_lora_batch
from lorify.adapters.adapter import Key, lorify_version
from lorify.base.chat import PromptBuilder, build_prompt_ids, question_messages, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import Document
from lorify.data.cloze.question_writing import question_writing_prompt, select_unambiguous
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import ClozeStatement, find_cloze_candidates, number_without_unit
from lorify.errors import ContextError
from lorify.hypernets.internalizer import DocumentInternalizer

QUESTION_REQUEST = "Write one short question that the text above answers."
QUESTION_TOKENS = 32
QUESTION_CHUNK_TOKENS = 192
QUESTIONS_AT_ONCE = 4
TOP_K = 16
SMALLEST_RMS = 0.01  # of a matrix of zeros: what its first steps are relative to
MODULE = "down_proj"
Focus = Callable[[Sequence[Adapter], Sequence[str]], Sequence[Adapter]]
"""(adapters, questions) -> the adapters that the questions are answered with."""
MOST_STEPS = 100_000
REFINE_ROWS = 8
REFINE_RATE = 0.003
WRITTEN_AT_ONCE = 16
WORDINGS = 2
"""Questions for each word that is asked for: the likeliest, then sampled ones."""
LEAST_BELIEVED = 0.08
"""An answer whose first token the adapter finds less probable was rather asked for wrongly than learned wrongly."""


@dataclass(frozen=True)
class Budget:
    """How long a training may take.

    Attributes:
        steps: at most this many gradient steps.
        seconds: no step begins later than this after the budget was made; None: no limit.
        started: value of `time.perf_counter()` then.
    """

    steps: int
    seconds: float | None = None
    started: float = field(default_factory=time.perf_counter)

    def is_spent(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and time.perf_counter() >= self.started + self.seconds

    def half_way(self) -> float | None:
        """The value of `time.perf_counter()` at which half of the time that is left now will be over."""
        return None if self.seconds is None else (time.perf_counter() + self.started + self.seconds) / 2


@dataclass(frozen=True)
class Lesson:
    """A question with what the teacher would say.

    Attributes:
        question: the question.
        ids: the student's tokens: prompt and answer `[T]`.
        num_targets: number of last positions at which a next token is learned.
        top_ids: the teacher's likeliest tokens there `[num_targets, k]`.
        top_log: their log-probabilities `[num_targets, k]`.
    """

    question: str
    ids: list[int]
    num_targets: int
    top_ids: Tensor
    top_log: Tensor


def distill(
    base: BaseLM,
    lessons: Sequence[Lesson],
    start: Adapter,
    *,
    budget: Budget,
    learning_rate: float,
    batch_rows: int,
    learn_A: bool = True,
    focus: Focus | None = None,
    seed: int = 0,
) -> Adapter:
    """Train an adapter on lessons; the base stays as it is.

    It may be stopped at any time: what was learned until then is what comes back.

    Args:
        base: the base.
        lessons: without any, the start comes back.
        start: where to start from; it is not changed.
        budget: how long to train.
        learning_rate: size of a step, relative to the root mean square of each matrix.
        batch_rows: lessons a step.
        learn_A: train `A` too; without, it stays the one that a hypernetwork shares among all its adapters.
        focus: each lesson is asked as its question will be: what is learned comes on top of the start, focused on it.
        seed: seed of the lessons' order.

    Returns:
        The trained adapter, in float32, without statistics.
    """
    scaling = {key: start.scaling(key) for key in start.weights}

    def written(adapter: Adapter) -> dict[Key, Tensor]:
        """Its `B` of each module, scaling in it, `[r, d_out]`."""
        return {
            key: (p.B.detach().to(base.device, torch.float32) * scaling[key]).T for key, p in adapter.weights.items()
        }

    A = {key: pair.A.detach().to(base.device, torch.float32, copy=learn_A) for key, pair in start.weights.items()}
    B = {key: x.contiguous() for key, x in written(start).items()}
    change = {key: torch.zeros_like(x) for key, x in B.items()}
    learned = [(x, x) for x in A.values()] if learn_A else []
    learned += [(change[key], x) for key, x in B.items()]
    groups = [
        {"params": [matrix.requires_grad_(True)], "lr": learning_rate * max(_rms(relative_to), SMALLEST_RMS)}
        for matrix, relative_to in learned
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98))
    rng = random.Random(seed)
    order: list[Lesson] = []
    for _ in range(budget.steps if lessons else 0):
        if budget.is_spent():
            break
        if len(order) < batch_rows:
            order += rng.sample(lessons, len(lessons))
        batch, order = order[:batch_rows], order[batch_rows:]
        below = {key: x.unsqueeze(0) for key, x in B.items()}  # [1 or rows, r, d_out]
        if focus is not None:
            focused = [
                written(adapter) for adapter in focus([start] * len(batch), [lesson.question for lesson in batch])
            ]
            below = {key: torch.stack([row[key] for row in focused]) for key in B}
        loss = kl_to_teacher(base, batch, {key: LoraTensors(A[key], below[key] + change[key]) for key in A})
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([matrix for matrix, _ in learned], 1.0)
        optimizer.step()
    trained = {key: (x + change[key].detach()).T / scaling[key] for key, x in B.items()}
    weights = {
        key: LoraPair(A[key].detach() if learn_A else pair.A, trained[key]) for key, pair in start.weights.items()
    }
    return Adapter(weights, start.lora_alpha, start.provenance)


def refine(
    base: BaseLM,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    seconds: float,
    prompts: PromptBuilder,
    focus: Focus | None = None,
    writer: Adapter | None = None,
) -> Adapter:
    """Train a hypernetwork's adapter further on its documents' own sentences.

    Args:
        base: the base.
        adapter: what a hypernetwork wrote of the documents.
        documents: the documents.
        seconds: how long, questions included; a step that has begun is finished.
        prompts: builds the prompts, as they will be when the adapter is used.
        focus: as for `distill`.
        writer: an adapter of the base that writes questions (`lorify.data.cloze.question_writing`); None: they are
            made by rule.

    Returns:
        The trained adapter. Its provenance says for how long; documents can no longer be added or removed, since its
        statistics no longer say what it holds.

    Raises:
        ContextError: if no question can be made of any sentence.
    """
    budget = Budget(MOST_STEPS, seconds)
    lessons = refining_lessons(base, [document.text for document in documents], budget, prompts=prompts, writer=writer)
    if not lessons:
        names = ", ".join(document.name for document in documents)
        raise ContextError(
            f"{names}: no sentence with a name, a number or the like to ask for was found, so there is nothing to "
            "refine with; leave --refine out"
        )
    if writer is not None:
        lessons = believed_lessons(base, lessons, adapter, focus=focus)
    trained = distill(
        base,
        lessons,
        adapter,
        budget=budget,
        learning_rate=REFINE_RATE,
        batch_rows=REFINE_ROWS,
        learn_A=False,
        focus=focus,
    )
    return as_refined(trained, adapter, budget)


def as_refined(trained: Adapter, generated: Adapter, budget: Budget) -> Adapter:
    """What training made of a hypernetwork's adapter, with what that adapter knows of its documents.

    Args:
        trained: from `distill`.
        generated: where training started from.
        budget: of the training, from its beginning.
    """
    provenance = generated.provenance.model_copy(
        update={"refined_seconds": round(time.perf_counter() - budget.started, 1), "fidelity": None}
    )
    return replace(trained, provenance=provenance, statistics=generated.statistics)


def kl_to_teacher(base: BaseLM, lessons: Sequence[Lesson], lora: Mapping[Key, LoraTensors]) -> Tensor:
    """Mean KL(teacher || student) over the tokens to learn, on the teacher's likeliest tokens."""
    student_log = _student_log(base, lessons, lora)
    top_ids = torch.cat([lesson.top_ids for lesson in lessons])
    teacher_log = torch.cat([lesson.top_log for lesson in lessons])
    gap = teacher_log - student_log.gather(-1, top_ids)
    return (teacher_log.exp() * gap).sum(-1).mean()


def _student_log(base: BaseLM, lessons: Sequence[Lesson], lora: Mapping[Key, LoraTensors]) -> Tensor:
    """Log-probabilities at the tokens to learn, lesson after lesson `[targets, vocabulary]`."""
    width = max(len(lesson.ids) for lesson in lessons)
    ids = torch.zeros(len(lessons), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    rows, places = [], []
    for row, lesson in enumerate(lessons):
        ids[row, : len(lesson.ids)] = torch.tensor(lesson.ids)
        mask[row, : len(lesson.ids)] = 1
        rows += [row] * lesson.num_targets
        places += range(len(lesson.ids) - lesson.num_targets, len(lesson.ids))
    with base.hooks.applied(lora):
        hidden = base.decoder(
            input_ids=ids.to(base.device), attention_mask=mask.to(base.device), use_cache=False
        ).last_hidden_state  # [rows, tokens, hidden]
    return base.logits(hidden[rows, places]).log_softmax(-1)


def refining_lessons(
    base: BaseLM,
    documents: Sequence[str],
    budget: Budget,
    *,
    prompts: PromptBuilder,
    writer: Adapter | None = None,
    seed: int = 0,
) -> list[Lesson]:
    """Lessons from the documents' own sentences: each date, quantity and name is asked for.

    Args:
        base: the base.
        documents: the texts.
        budget: of the whole training; half of it is for writing at most.
        prompts: builds the prompts, as they will be when the adapter is used.
        writer: an adapter that writes the questions; None: they are made by rule, at once.
        seed: which words are asked for first, where there is no time for all, and the sampling.
    """
    gaps = [(split_sentences(text), gap) for text in documents for gap in find_cloze_candidates(text)]
    if writer is None:
        return [_lesson(base, gap, prompts) for _, gap in gaps]
    random.Random(seed).shuffle(gaps)
    deadline, written = budget.half_way(), list[ClozeStatement]()
    for wording in range(WORDINGS):
        for start in range(0, len(gaps), WRITTEN_AT_ONCE):
            if written and deadline is not None and time.perf_counter() >= deadline:
                break
            some = gaps[start : start + WRITTEN_AT_ONCE]
            # Only for those whose turn it is: a long document has more than there is time to write about.
            requests = [
                question_writing_prompt(sentences, sentences.index(gap.sentence), gap.answer) for sentences, gap in some
            ]
            found = generate_batch(  # the writer was trained on prompts without a system turn
                base,
                [build_prompt_ids(base.tokenizer, question_messages(request)) for request in requests],
                GenerationOptions(QUESTION_TOKENS, temperature=0.8 if wording else 0.0, top_p=0.95, seed=seed + start),
                lora=build_lora_batch([writer] * len(some), base),
                stop_ids=stop_token_ids(base.tokenizer, base.model.generation_config),
            )
            written += [
                replace(gap, question=base.decode_text(ids).strip()) for (_, gap), ids in zip(some, found, strict=True)
            ]
    return [_lesson(base, statement, prompts) for statement in select_unambiguous(written)]


@torch.no_grad()
def believed_lessons(
    base: BaseLM, lessons: Sequence[Lesson], adapter: Adapter, *, focus: Focus | None = None
) -> list[Lesson]:
    """Lessons whose answers an adapter finds possible; the others ask for something else, more often than not.

    Args:
        base: the base.
        lessons: from written questions.
        adapter: what a hypernetwork wrote of their documents.
        focus: as for `distill`.
    """
    kept = []
    for start in range(0, len(lessons), WRITTEN_AT_ONCE):
        some = lessons[start : start + WRITTEN_AT_ONCE]
        rows: Sequence[Adapter] = [adapter] * len(some)
        if focus is not None:
            rows = focus(rows, [lesson.question for lesson in some])
        student_log = _student_log(base, some, build_lora_batch(rows, base) or {})
        first = [0, *accumulate(lesson.num_targets for lesson in some)][:-1]
        tokens = torch.stack([lesson.top_ids[0, 0] for lesson in some])
        believed = student_log[first].exp().gather(-1, tokens.unsqueeze(-1)).squeeze(-1) >= LEAST_BELIEVED
        kept += [lesson for lesson, keep in zip(some, believed.tolist(), strict=True) if keep]
    return kept


def _lesson(base: BaseLM, statement: ClozeStatement, prompts: PromptBuilder) -> Lesson:
    """The answer is known: all of the teacher's probability is on it."""
    prompt = prompts.question_ids(statement.question)
    # With a space in front, as a hypernetwork is trained to answer: it is what the word is inside a text.
    number = number_without_unit(statement.answer)
    target = base.encode_text(f" {number or statement.answer}")
    if number is None:  # whether a unit is said after a number is not for us to teach
        target = [*target, min(stop_token_ids(base.tokenizer))]
    ids = torch.tensor(target, device=base.device).unsqueeze(-1)  # [targets, 1]
    return Lesson(statement.question, [*prompt, *target[:-1]], len(target), ids, torch.zeros(ids.shape).to(ids.device))


@torch.no_grad()
def lessons_from_teacher(
    base: BaseLM,
    document: str,
    questions: Sequence[str] | None,
    *,
    prompts: PromptBuilder,
    num_questions: int,
    answer_tokens: int,
    deadline: float | None = None,
    seed: int = 0,
) -> list[Lesson]:
    """Ask the teacher, a few questions at a time.

    Args:
        base: the base.
        document: what the teacher has in its prompt; it has to fit the window.
        questions: the questions; None: the base makes them from the document's chunks.
        prompts: builds the prompts of teacher and student.
        num_questions: how many to make; each is sampled, and may come again.
        answer_tokens: longest answer, in tokens.
        deadline: after this value of `time.perf_counter()` no further few are begun; the first always are.
        seed: seed of the sampling.
    """
    chunks = [base.decode_text(ids) for ids in split_into_chunks(document, base.tokenizer, QUESTION_CHUNK_TOKENS)]
    total = num_questions if questions is None else len(questions)
    lessons: list[Lesson] = []
    for start in range(0, total, QUESTIONS_AT_ONCE):
        if lessons and deadline is not None and time.perf_counter() >= deadline:
            break
        places = range(start, min(start + QUESTIONS_AT_ONCE, total))
        if questions is None:
            # Spread over the document where there are more chunks than questions.
            sources = [chunks[i * len(chunks) // total if len(chunks) > total else i % len(chunks)] for i in places]
            asked = _make_questions(base, sources, seed + start)
        else:
            asked = [questions[i] for i in places]
        lessons += _ask_teacher(base, prompts, document, asked, answer_tokens)
    return lessons


def _make_questions(base: BaseLM, chunks: Sequence[str], seed: int) -> list[str]:
    """One question about each chunk, by the base."""
    found = generate_batch(
        base,
        [build_prompt_ids(base.tokenizer, question_messages(QUESTION_REQUEST, chunk)) for chunk in chunks],
        GenerationOptions(QUESTION_TOKENS, temperature=0.8, top_p=0.95, seed=seed),
        lora=None,
        stop_ids=stop_token_ids(base.tokenizer, base.model.generation_config),
    )
    texts = [base.decode_text(ids).strip().partition("\n")[0].strip() for ids in found]
    return [text or QUESTION_REQUEST for text in texts]


def _ask_teacher(
    base: BaseLM, prompts: PromptBuilder, document: str, questions: Sequence[str], answer_tokens: int
) -> list[Lesson]:
    stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
    asked = [prompts.question_ids(question, document) for question in questions]
    answers = generate_batch(base, asked, GenerationOptions(answer_tokens), lora=None, stop_ids=stop_ids)
    lessons = []
    for question, prompt, answer in zip(questions, asked, answers, strict=True):
        ids = torch.tensor([[*prompt, *answer]], device=base.device)
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
        # An answer that ended by itself teaches where to end; after one that was cut off there is nothing to say.
        num_targets = len(answer) + 1 if len(answer) < answer_tokens else len(answer)
        first = len(prompt) - 1
        log = base.logits(hidden[0, first : first + num_targets]).log_softmax(-1)
        top_log, top_ids = log.topk(min(TOP_K, log.shape[-1]), dim=-1)
        student = prompts.question_ids(question)
        lessons.append(Lesson(question, [*student, *answer[: num_targets - 1]], num_targets, top_ids, top_log))
    return lessons


def focusing(internalizer: DocumentInternalizer) -> Focus:
    """Focus adapters the way a hypernetwork does when it answers, without switching any off."""

    def focus(adapters: Sequence[Adapter], questions: Sequence[str]) -> list[Adapter]:
        prepared = internalizer.prepare(adapters, questions, only_if_relevant=False)
        return [adapter for adapter in prepared if adapter is not None]

    return focus


def blank_adapter(base: BaseLM, rank: int, documents: Sequence[Document], *, seed: int = 0) -> Adapter:
    """A LoRA on every block's `down_proj` that does nothing yet: `A` random, `B` zero."""
    generator = torch.Generator().manual_seed(seed)
    weights: dict[Key, LoraPair] = {}
    for layer in range(base.num_layers):
        linear = base.linear(layer, MODULE)
        A = torch.randn(rank, linear.in_features, generator=generator) / linear.in_features**0.5
        weights[layer, MODULE] = LoraPair(A, torch.zeros(linear.out_features, rank))
    provenance = Provenance(
        base_name=base.name,
        base_digest=base.digest,
        hypernetwork="context distillation",
        documents=tuple(
            DocumentRecord(name=d.name, digest=d.digest, num_tokens=len(base.encode_text(d.text))) for d in documents
        ),
        lorify_version=lorify_version(),
    )
    return Adapter(weights, float(rank), provenance)


def _rms(matrix: Tensor) -> float:
    return float(matrix.detach().square().mean().sqrt())
