"""Documents -> questions by a writer -> the base's own answers with its log-probabilities, in shards.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3: the teacher is the base with the context in its prompt, its answers
are learned through its top 16 predictions at each token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from lorify.base.chat import build_prompt_ids, question_messages, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.model import BaseModel
from lorify.data.examples import Example
from lorify.data.question_writers import QuestionWriter
from lorify.data.self_generated import SOURCE, SelfGeneratedRecord, TaughtQuestion, open_folder, write_shard
from lorify.errors import EvaluationError

QUESTIONS_AT_ONCE = 8


def generate_data(
    documents: Sequence[str],
    folder: Path,
    *,
    base: BaseModel,
    writer: QuestionWriter,
    rounds: int = 1,
    questions_per_round: int = 5,
    top_k: int = 16,
    max_new_tokens: int = 256,
    contexts_per_shard: int = 64,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Make self-generated data, or go on with it; shards that are there stay as they are.

    Args:
        documents: contexts; one that came before, but for case and spaces, is left out.
        folder: where to.
        base: the teacher.
        writer: who asks.
        rounds: rounds of questions a context, each knowing the earlier ones'.
        questions_per_round: questions asked for in each.
        top_k: log-probabilities kept of each token.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
        contexts_per_shard: contexts a shard.
        report: called with the number of contexts done since the last call, and that of all.

    Returns:
        How many contexts the folder holds, those without questions included.

    Raises:
        EvaluationError: if there is no document, the folder was made with other settings, or the writer fails.
    """
    contexts = distinct(documents)
    if not contexts:
        raise EvaluationError("there is no document to ask about; give a file with at least one text")
    record = SelfGeneratedRecord(
        base_name=base.name,
        base_digest=base.digest,
        writer=writer.name,
        documents_digest=hashlib.sha256(json.dumps(contexts).encode()).hexdigest(),
        top_k=top_k,
        rounds=rounds,
        questions_per_round=questions_per_round,
        contexts_per_shard=contexts_per_shard,
        max_new_tokens=max_new_tokens,
    )
    first = open_folder(folder, record)
    if report is not None and first:
        report(min(first * contexts_per_shard, len(contexts)), len(contexts))
    for number in range(first, -(-len(contexts) // contexts_per_shard)):
        examples = []
        of_shard = contexts[number * contexts_per_shard : (number + 1) * contexts_per_shard]
        asked = ask_in_rounds(writer, of_shard, rounds, questions_per_round)
        for context, questions in zip(of_shard, asked, strict=True):
            taught = teach(base, context, questions, top_k=top_k, max_new_tokens=max_new_tokens)
            examples.append(Example((context,), tuple(taught), SOURCE))
            if report is not None:
                report(1, len(contexts))
        write_shard(folder, number, examples)
    return len(contexts)


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


@torch.no_grad()
def teach(
    base: BaseModel, context: str, questions: Sequence[str], *, top_k: int, max_new_tokens: int
) -> list[TaughtQuestion]:
    """The base's greedy answers with the context in its prompt; questions that leave no room for one are left out."""
    stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
    prompts = {q: build_prompt_ids(base.tokenizer, question_messages(q, context)) for q in questions}
    fitting = [q for q, prompt in prompts.items() if len(prompt) + max_new_tokens < base.window_tokens]
    taught = []
    for start in range(0, len(fitting), QUESTIONS_AT_ONCE):
        group = fitting[start : start + QUESTIONS_AT_ONCE]
        answers = generate_batch(
            base, [prompts[q] for q in group], lora=None, max_new_tokens=max_new_tokens, stop_ids=stop_ids
        )
        for question, answer in zip(group, answers, strict=True):
            ended = answer if len(answer) == max_new_tokens else [*answer, min(stop_ids)]
            taught.append(_with_log_probs(base, question, prompts[question], ended, top_k))
    return taught


def _with_log_probs(
    base: BaseModel, question: str, prompt: Sequence[int], answer: Sequence[int], top_k: int
) -> TaughtQuestion:
    ids = torch.tensor([[*prompt, *answer]], device=base.device)
    with base.hooks.applied(None):
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state[0, len(prompt) - 1 : -1]
    log_probs, top = base.logits(hidden).log_softmax(-1).topk(top_k, dim=-1)  # [answer, top_k]
    return TaughtQuestion(
        question,
        (base.decode_text(answer).strip(),),
        tuple(answer),
        tuple(top.flatten().tolist()),
        tuple(log_probs.flatten().tolist()),
    )
