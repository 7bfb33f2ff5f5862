"""Teachers: the base answers questions greedily, with its most likely tokens at each position.

This module has the protocol and the base in this process; `remote_teachers` has vLLM and endpoints. Prompts and answers
are token ids of the base.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from lorify.base.chat.prompts import stop_token_ids
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.files.locate import resolve_base, weights_digest
from lorify.base.loading import reading
from lorify.base.model import BaseLM

BATCH_PROMPTS = 8


class TeacherAnswer(NamedTuple):
    """An answer with the teacher's predictions.

    Attributes:
        ids: token ids, including the end-of-turn token unless the answer was cut.
        top_ids: the `top_k` most likely tokens at each position, flattened.
        top_log_probs: their log-probabilities.
    """

    ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    top_log_probs: tuple[float, ...]


@dataclass(frozen=True)
class TeacherBase:
    """Facts about a base that a teacher needs besides its weights.

    Attributes:
        name: the name given by the user.
        digest: SHA-256 of its weights.
        tokenizer: its tokenizer.
        window_tokens: longest input, in tokens.
        stop_ids: tokens that end an answer.
    """

    name: str
    digest: str
    tokenizer: PreTrainedTokenizerBase
    window_tokens: int
    stop_ids: frozenset[int]


class Teacher(Protocol):
    """A base that answers prompts and returns its most likely tokens with each answer, as distillation targets."""

    @property
    def base(self) -> TeacherBase:
        """Name, digest, tokenizer and window of the base."""
        ...

    @property
    def preferred_contexts(self) -> int:
        """Preferred number of contexts whose questions are answered in one call."""
        ...

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Answer prompts greedily.

        Args:
            prompts: token ids; each prompt must leave room for its answer in the window.
            top_k: number of predictions for each token.
            max_new_tokens: longest answer, in tokens; longer ones are cut.

        Raises:
            EvaluationError: if it cannot answer, or not with this number of predictions.
        """
        ...


class LocalTeacher(Teacher):
    """A teacher whose base runs in this process."""

    def __init__(self, base: BaseLM, batch_prompts: int = BATCH_PROMPTS) -> None:
        """Use this base.

        Args:
            base: the base.
            batch_prompts: number of questions to answer at a time.
        """
        self._model, self.batch_prompts = base, batch_prompts
        stop_ids = base.stop_ids
        self._base = TeacherBase(base.name, base.digest, base.tokenizer, base.window_tokens, frozenset(stop_ids))

    @property
    def base(self) -> TeacherBase:
        """Name, digest, tokenizer and window of the base."""
        return self._base

    @property
    def preferred_contexts(self) -> int:
        """One, because the prompts for a context share a prefix; more only if batches are large."""
        return max(1, self.batch_prompts // BATCH_PROMPTS)

    @torch.no_grad()
    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Answer prompts greedily, `batch_prompts` at a time; see `Teacher.answer`."""
        stop_ids = set(self.base.stop_ids)
        answers = []
        for start in range(0, len(prompts), self.batch_prompts):
            group = prompts[start : start + self.batch_prompts]
            batch_answers = generate_batch(
                self._model, group, GenerationOptions(max_new_tokens), lora=None, stop_ids=stop_ids
            )
            for prompt, answer in zip(group, batch_answers, strict=True):
                with_end = answer if len(answer) == max_new_tokens else [*answer, min(stop_ids)]
                answers.append(self._with_predictions(prompt, with_end, top_k))
        return answers

    def _with_predictions(self, prompt: Sequence[int], answer: Sequence[int], top_k: int) -> TeacherAnswer:
        base = self._model
        ids = torch.tensor([[*prompt, *answer]], device=base.device)
        with base.hooks.applied(None):
            hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state[0, len(prompt) - 1 : -1]
        log_probs, top = base.logits(hidden).log_softmax(-1).topk(top_k, dim=-1)  # [answer, top_k]
        return TeacherAnswer(tuple(answer), tuple(top.flatten().tolist()), tuple(log_probs.flatten().tolist()))


def read_teacher_base(name: str) -> TeacherBase:
    """Read the facts that a teacher needs about a base, without loading its weights.

    Raises:
        BaseModelError: if its files cannot be found, fetched or read.
    """
    folder = resolve_base(name)
    with reading("config.json", name, folder):
        config = AutoConfig.from_pretrained(folder)
        has_own = (folder / "generation_config.json").is_file()
        generation = GenerationConfig.from_pretrained(folder) if has_own else GenerationConfig.from_model_config(config)
    with reading("tokenizer", name, folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    label = str(Path(name).resolve()) if os.path.exists(name) else name
    stop_ids = frozenset(stop_token_ids(tokenizer, generation))
    return TeacherBase(label, weights_digest(folder), tokenizer, int(config.max_position_embeddings), stop_ids)
