"""Training examples from a teacher: the base with the document in its prompt answers questions about it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lorify.base.chat.prompts import PromptBuilder, build_prompt_ids, question_messages
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import TrainingExample

QUESTION_REQUEST = "Write one short question that the text above answers."
QUESTION_TOKENS = 32
QUESTION_CHUNK_TOKENS = 192
BATCH_SIZE = 4
TOP_K = 16


@torch.no_grad()
def teacher_examples(
    base: BaseLM,
    document: str,
    questions: Sequence[str] | None,
    *,
    prompts: PromptBuilder,
    num_questions: int,
    answer_tokens: int,
    limit: TimeLimit,
) -> list[TrainingExample]:
    """Ask the teacher questions, one batch at a time.

    Args:
        base: the base.
        document: the document in the teacher's prompt; it has to fit the window.
        questions: the questions; None to let the base write them from the document's chunks.
        prompts: builds the prompts of teacher and student.
        num_questions: number of questions to write; each is sampled, so a question may occur twice.
        answer_tokens: maximum length of an answer, in tokens.
        limit: time limit; at least the first few questions are answered.
    """
    chunks = [base.decode_text(ids) for ids in split_into_chunks(document, base.tokenizer, QUESTION_CHUNK_TOKENS)]
    total = num_questions if questions is None else len(questions)
    examples: list[TrainingExample] = []
    for indices in limit.batches(range(total), BATCH_SIZE):
        if questions is None:
            # If there are more chunks than questions, spread the questions over the document.
            sources = [chunks[i * len(chunks) // total if len(chunks) > total else i % len(chunks)] for i in indices]
            batch = _make_questions(base, sources, indices[0])
        else:
            batch = [questions[i] for i in indices]
        examples += _ask_teacher(base, prompts, document, batch, answer_tokens)
    return examples


def _make_questions(base: BaseLM, chunks: Sequence[str], seed: int) -> list[str]:
    """One question about each chunk, written by the base."""
    found = generate_batch(
        base,
        [build_prompt_ids(base.tokenizer, question_messages(QUESTION_REQUEST, chunk)) for chunk in chunks],
        GenerationOptions(QUESTION_TOKENS, temperature=0.8, top_p=0.95, seed=seed),
        lora=None,
        stop_ids=base.stop_ids,
    )
    texts = [base.decode_text(ids).strip().partition("\n")[0].strip() for ids in found]
    return [text or QUESTION_REQUEST for text in texts]


def _ask_teacher(
    base: BaseLM, prompts: PromptBuilder, document: str, questions: Sequence[str], answer_tokens: int
) -> list[TrainingExample]:
    stop_ids = base.stop_ids
    asked = [prompts.question_ids(question, document) for question in questions]
    answers = generate_batch(base, asked, GenerationOptions(answer_tokens), lora=None, stop_ids=stop_ids)
    examples = []
    for question, prompt, answer in zip(questions, asked, answers, strict=True):
        ids = torch.tensor([[*prompt, *answer]], device=base.device)
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
        # A complete answer also teaches where to stop; a truncated one does not.
        num_targets = len(answer) + 1 if len(answer) < answer_tokens else len(answer)
        first = len(prompt) - 1
        log = base.logits(hidden[0, first : first + num_targets]).log_softmax(-1)
        top_log, top_ids = log.topk(min(TOP_K, log.shape[-1]), dim=-1)
        student = prompts.question_ids(question)
        examples.append(
            TrainingExample(question, [*student, *answer[: num_targets - 1]], num_targets, top_ids, top_log)
        )
    return examples
