"""The base's own answers to unrelated prompts, which training must not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.decoding.generation import GenerationOptions, generate_batch
from lorify.base.model import BaseLM
from lorify.data.sources.general import general_training_prompts
from lorify.training.associative.batches import GeneralAnswer
from lorify.training.engine.run_folder import writing

ANSWERS_NAME = "general-answers.json"
PROMPTS_AT_ONCE = 16


class _AnswersFile(BaseModel):
    """The base's answers on disk, with the inputs that they depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_digest: str = Field(description="SHA-256 of the base's weights.")
    prompts_digest: str = Field(description="SHA-256 of the prompts' token ids.")
    max_new_tokens: int = Field(description="Longest answer, in tokens.")
    answers: list[list[int]] = Field(description="Token ids of each answer, in the prompts' order.")


def prepare_general_answers(
    base: BaseLM, run_dir: Path, max_new_tokens: int, report: Callable[[int, int], None]
) -> list[GeneralAnswer]:
    """Answer the unrelated training prompts with the base, greedily and once; the run folder stores the answers.

    Args:
        base: the bare base.
        run_dir: folder of the run; created if missing.
        max_new_tokens: maximum length of an answer in tokens; longer ones are cut.
        report: called with the number of prompts answered since the last call and the total number of prompts.

    Raises:
        TrainingError: if the run folder cannot be written.
    """
    prompts = [build_prompt_ids(base.tokenizer, question_messages(prompt)) for prompt in general_training_prompts()]
    digest = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()
    path = run_dir / ANSWERS_NAME
    answers = _read_answers(path, base.digest, digest, max_new_tokens)
    if answers is None:
        answers = _generate_answers(base, prompts, max_new_tokens, report)
        file = _AnswersFile(
            base_digest=base.digest, prompts_digest=digest, max_new_tokens=max_new_tokens, answers=answers
        )
        with writing(run_dir), replaced_file(path) as temporary:
            temporary.write_text(file.model_dump_json() + "\n", encoding="utf-8")
    # An empty answer has no token to preserve.
    return [
        GeneralAnswer(tuple(prompt), tuple(answer)) for prompt, answer in zip(prompts, answers, strict=True) if answer
    ]


def _generate_answers(
    base: BaseLM, prompts: Sequence[Sequence[int]], max_new_tokens: int, report: Callable[[int, int], None]
) -> list[list[int]]:
    # Prompts of similar length share a batch, to reduce padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    stop_ids = base.stop_ids
    for start in range(0, len(order), PROMPTS_AT_ONCE):
        group = order[start : start + PROMPTS_AT_ONCE]
        new = generate_batch(
            base, [prompts[i] for i in group], GenerationOptions(max_new_tokens), lora=None, stop_ids=stop_ids
        )
        for i, answer in zip(group, new, strict=True):
            answers[i] = answer
        report(len(group), len(prompts))
    return answers


def _read_answers(path: Path, base_digest: str, prompts_digest: str, max_new_tokens: int) -> list[list[int]] | None:
    """Read the stored answers; None unless they are for this base, these prompts and this length."""
    try:
        kept = _AnswersFile.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None
    wanted = (base_digest, prompts_digest, max_new_tokens)
    return kept.answers if (kept.base_digest, kept.prompts_digest, kept.max_new_tokens) == wanted else None
