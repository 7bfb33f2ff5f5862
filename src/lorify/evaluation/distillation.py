"""Context distillation: a LoRA trained for one document by gradient descent, the slow way to what a hypernetwork does.

The base with the document in its prompt answers questions about it (the teacher); the LoRA learns to give the same
distribution over tokens without the document (the student), by KL over the teacher's likeliest tokens. It may start
from nothing or from an adapter that a hypernetwork wrote.

Source: Doc-to-LoRA (arXiv 2602.15902), its baseline with given or generated queries. Ours differs in that the steps
are relative to the size of each matrix, so that one learning rate serves both starts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import Key
from lorify.base.chat import build_prompt_ids, question_messages, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseModel
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import Document

QUESTION_REQUEST = "Write one short question that the text above answers."
QUESTION_TOKENS = 32
QUESTION_CHUNK_TOKENS = 192
TOP_K = 16
SMALLEST_RMS = 0.01  # of a matrix of zeros: what its first steps are relative to
MODULE = "down_proj"


@dataclass(frozen=True)
class Lesson:
    """A question with what the teacher would say.

    Attributes:
        ids: the student's tokens: prompt and answer `[T]`.
        num_targets: number of last positions at which a next token is learned.
        top_ids: the teacher's likeliest tokens there `[num_targets, k]`.
        top_log: their log-probabilities `[num_targets, k]`.
    """

    ids: list[int]
    num_targets: int
    top_ids: Tensor
    top_log: Tensor


def distill(
    base: BaseModel,
    lessons: Sequence[Lesson],
    start: Adapter,
    *,
    num_steps: int,
    deadline: float | None = None,
    learning_rate: float,
    batch_rows: int,
    seed: int = 0,
) -> Adapter:
    """Train an adapter on lessons; the base stays as it is.

    Args:
        base: the base.
        lessons: at least one.
        start: where to start from; it is not changed.
        num_steps: gradient steps.
        deadline: no step begins after this value of `time.perf_counter()`.
        learning_rate: size of a step, relative to the root mean square of each matrix.
        batch_rows: lessons a step.
        seed: seed of their order.

    Returns:
        The trained adapter, in float32, without statistics.
    """
    scaling = {key: start.scaling(key) for key in start.weights}
    A = {key: pair.A.detach().to(base.device, torch.float32, copy=True) for key, pair in start.weights.items()}
    B = {
        key: (pair.B.detach().to(base.device, torch.float32) * scaling[key]).T.contiguous()
        for key, pair in start.weights.items()
    }  # [r, d_out]
    groups = [
        {"params": [matrix.requires_grad_(True)], "lr": learning_rate * max(_rms(matrix), SMALLEST_RMS)}
        for matrix in [*A.values(), *B.values()]
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98))
    lora = {key: LoraTensors(A[key], B[key].unsqueeze(0)) for key in A}
    rng = random.Random(seed)
    order: list[Lesson] = []
    for _ in range(num_steps):
        if deadline is not None and time.perf_counter() >= deadline:
            break
        if len(order) < batch_rows:
            order += rng.sample(lessons, len(lessons))
        batch, order = order[:batch_rows], order[batch_rows:]
        loss = kl_to_teacher(base, batch, lora)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*A.values(), *B.values()], 1.0)
        optimizer.step()
    weights = {key: LoraPair(A[key].detach(), B[key].detach().T / scaling[key]) for key in A}
    return Adapter(weights, start.lora_alpha, start.provenance)


def kl_to_teacher(base: BaseModel, lessons: Sequence[Lesson], lora: Mapping[Key, LoraTensors]) -> Tensor:
    """Mean KL(teacher || student) over the tokens to learn, on the teacher's likeliest tokens."""
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
    student_log = base.logits(hidden[rows, places]).log_softmax(-1)  # [targets, vocabulary]
    top_ids = torch.cat([lesson.top_ids for lesson in lessons])
    teacher_log = torch.cat([lesson.top_log for lesson in lessons])
    gap = teacher_log - student_log.gather(-1, top_ids)
    return (teacher_log.exp() * gap).sum(-1).mean()


@torch.no_grad()
def build_lessons(
    base: BaseModel, document: str, questions: Sequence[str], *, answer_tokens: int, deadline: float | None = None
) -> list[Lesson]:
    """Ask the teacher.

    Args:
        base: the base.
        document: what the teacher has in its prompt; it has to fit the window.
        questions: the questions.
        answer_tokens: longest answer, in tokens.
        deadline: after this value of `time.perf_counter()` no further question is asked; at least one is.
    """
    stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
    lessons = []
    for question in questions:
        if lessons and deadline is not None and time.perf_counter() >= deadline:
            break
        prompt = build_prompt_ids(base.tokenizer, question_messages(question, document))
        (answer,) = generate_batch(base, [prompt], lora=None, max_new_tokens=answer_tokens, stop_ids=stop_ids)
        ids = torch.tensor([[*prompt, *answer]], device=base.device)
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
        # An answer that ended by itself teaches where to end; after one that was cut off there is nothing to say.
        num_targets = len(answer) + 1 if len(answer) < answer_tokens else len(answer)
        first = len(prompt) - 1
        log = base.logits(hidden[0, first : first + num_targets]).log_softmax(-1)
        top_log, top_ids = log.topk(min(TOP_K, log.shape[-1]), dim=-1)
        student = build_prompt_ids(base.tokenizer, question_messages(question))
        lessons.append(Lesson([*student, *answer[: num_targets - 1]], num_targets, top_ids, top_log))
    return lessons


def generate_questions(base: BaseModel, document: str, num_questions: int, *, seed: int = 0) -> list[str]:
    """Questions about a document, by the base itself, from its chunks in turn.

    Args:
        base: the base.
        document: the text.
        num_questions: how many; each is sampled, and may come again.
        seed: seed of the sampling.
    """
    chunks = [base.decode_text(ids) for ids in split_into_chunks(document, base.tokenizer, QUESTION_CHUNK_TOKENS)]
    prompts = [
        build_prompt_ids(base.tokenizer, question_messages(QUESTION_REQUEST, chunks[i % len(chunks)]))
        for i in range(num_questions)
    ]
    found = generate_batch(
        base,
        prompts,
        lora=None,
        max_new_tokens=QUESTION_TOKENS,
        stop_ids=stop_token_ids(base.tokenizer, base.model.generation_config),
        temperature=0.8,
        top_p=0.95,
        seed=seed,
    )
    texts = [base.decode_text(ids).strip().partition("\n")[0].strip() for ids in found]
    return [text or QUESTION_REQUEST for text in texts]


def blank_adapter(base: BaseModel, rank: int, documents: Sequence[Document], *, seed: int = 0) -> Adapter:
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
        lorify_version=version("lorify"),
    )
    return Adapter(weights, float(rank), provenance)


def _rms(matrix: Tensor) -> float:
    return float(matrix.detach().square().mean().sqrt())
