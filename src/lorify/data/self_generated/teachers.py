"""Who answers the questions: the base in this process, in vLLM, or behind an OpenAI-compatible endpoint.

All of them read and write token ids of the base, and answer greedily with their likeliest tokens at each token.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from lorify.base.chat import stop_token_ids
from lorify.base.files import resolve_base, weights_digest
from lorify.base.generation import generate_batch
from lorify.base.model import BaseLM, reading
from lorify.base.sampling import GenerationOptions
from lorify.data.self_generated.engines import Endpoint, OfflineVllm, first_line, several_at_once
from lorify.errors import EvaluationError

PROMPTS_AT_ONCE = 8
CONTEXTS_AT_ONCE = 64
_TOKEN_ID = "token_id:"  # how vLLM writes token ids in place of texts


class TeacherAnswer(NamedTuple):
    """An answer with the teacher's predictions.

    Attributes:
        ids: token ids, with the end of the turn unless it was cut.
        top_ids: the likeliest tokens at each of them, `top_k` a token, one after the other.
        top_log_probs: their log-probabilities.
    """

    ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    top_log_probs: tuple[float, ...]


@dataclass(frozen=True)
class TeacherBase:
    """What is known of a base without its weights.

    Attributes:
        name: what the user called it.
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
    """A base that answers prompts."""

    @property
    def base(self) -> TeacherBase:
        """Which base it is."""
        ...

    @property
    def preferred_contexts(self) -> int:
        """About how many contexts it is best asked at a time."""
        ...

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Greedy answers.

        Args:
            prompts: token ids, each short enough for its answer.
            top_k: predictions wanted of each token.
            max_new_tokens: longest answer, in tokens; longer ones are cut.

        Raises:
            EvaluationError: if it cannot answer, or not with so many predictions.
        """
        ...


class LocalTeacher(Teacher):
    """A loaded base."""

    def __init__(self, base: BaseLM) -> None:
        """Let this base answer."""
        self._model = base
        stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
        self._base = TeacherBase(base.name, base.digest, base.tokenizer, base.window_tokens, frozenset(stop_ids))

    @property
    def base(self) -> TeacherBase:
        """Which base it is."""
        return self._base

    @property
    def preferred_contexts(self) -> int:
        """One: questions about it share the beginning of their prompts."""
        return 1

    @torch.no_grad()
    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Greedy answers, some at a time."""
        stop_ids = set(self.base.stop_ids)
        taught = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            group = prompts[start : start + PROMPTS_AT_ONCE]
            answers = generate_batch(
                self._model, group, GenerationOptions(max_new_tokens), lora=None, stop_ids=stop_ids
            )
            for prompt, answer in zip(group, answers, strict=True):
                ended = answer if len(answer) == max_new_tokens else [*answer, min(stop_ids)]
                taught.append(self._with_predictions(prompt, ended, top_k))
        return taught

    def _with_predictions(self, prompt: Sequence[int], answer: Sequence[int], top_k: int) -> TeacherAnswer:
        base = self._model
        ids = torch.tensor([[*prompt, *answer]], device=base.device)
        with base.hooks.applied(None):
            hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state[0, len(prompt) - 1 : -1]
        log_probs, top = base.logits(hidden).log_softmax(-1).topk(top_k, dim=-1)  # [answer, top_k]
        return TeacherAnswer(tuple(answer), tuple(top.flatten().tolist()), tuple(log_probs.flatten().tolist()))


class VllmTeacher(Teacher):
    """The base inside vLLM, in this process: many contexts at a time."""

    def __init__(self, name: str, *, memory_share: float = 0.9) -> None:
        """Load the base `name` into this share of the device's memory.

        Raises:
            BaseModelError: if its files cannot be found, fetched or read.
            EvaluationError: if vLLM is not installed, or cannot load it.
        """
        self._base = read_teacher_base(name)
        self._vllm = OfflineVllm(str(resolve_base(name)), memory_share=memory_share)

    @property
    def base(self) -> TeacherBase:
        """Which base it is."""
        return self._base

    @property
    def preferred_contexts(self) -> int:
        """Many."""
        return CONTEXTS_AT_ONCE

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Greedy answers, all in one batch."""
        sampling = self._vllm.vllm.SamplingParams(
            temperature=0.0, max_tokens=max_new_tokens, logprobs=top_k, stop_token_ids=sorted(self.base.stop_ids)
        )
        try:
            outputs = self._vllm.engine.generate(
                [{"prompt_token_ids": list(prompt)} for prompt in prompts], sampling, use_tqdm=False
            )
        except (ValueError, RuntimeError) as error:
            raise EvaluationError(
                f"vLLM did not answer with {top_k} predictions a token ({first_line(error)}); what is done is kept: "
                "give another --teacher"
            ) from error
        return [
            _taught(
                self.base,
                completion.token_ids,
                [{token: found.logprob for token, found in step.items()} for step in completion.logprobs],
                top_k=top_k,
                is_cut=completion.finish_reason == "length",
                who="vLLM",
            )
            for output in outputs
            for completion in output.outputs[:1]
        ]


class EndpointTeacher(Teacher):
    """The base behind an OpenAI-compatible endpoint that gives token ids with its log-probabilities, as vLLM does."""

    def __init__(self, url: str, name: str) -> None:
        """Ask for the base `name` at `url`, such as `http://localhost:8000/v1`.

        Raises:
            BaseModelError: if its tokenizer and config cannot be found, fetched or read.
            EvaluationError: if the endpoint cannot be reached, or serves several models, none of this name.
        """
        self._base = read_teacher_base(name)
        self._endpoint = Endpoint(url)
        listed = self._endpoint.call("list its models", self._endpoint.client.models.list)
        # What vLLM lists with a parent is an adapter.
        served = [model.id for model in listed.data if not getattr(model, "parent", None)]
        if name not in served and len(served) != 1:
            raise EvaluationError(
                f"endpoint {url} serves {', '.join(served) or 'nothing'}, expected {name}; serve the base under that "
                "name (vllm serve has --served-model-name)"
            )
        self._model = name if name in served else served[0]

    @property
    def base(self) -> TeacherBase:
        """Which base it is."""
        return self._base

    @property
    def preferred_contexts(self) -> int:
        """Many."""
        return CONTEXTS_AT_ONCE

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Greedy answers, several at a time."""

        def ask(prompt: Sequence[int]) -> TeacherAnswer:
            endpoint = self._endpoint
            completion = endpoint.call(
                "answer a question",
                endpoint.client.completions.create,
                model=self._model,
                prompt=list(prompt),
                max_tokens=max_new_tokens,
                temperature=0.0,
                logprobs=top_k,
                extra_body={"return_tokens_as_token_ids": True, "stop_token_ids": sorted(self.base.stop_ids)},
            )
            return self._read(completion.choices[0], top_k)

        return several_at_once(ask, prompts)

    def _read(self, choice: Any, top_k: int) -> TeacherAnswer:
        """The answer of a completion, whose tokens have to be token ids."""
        found = choice.logprobs
        if found is None or not found.tokens or not found.top_logprobs:
            raise EvaluationError(
                f"endpoint {self._endpoint.url} gave no log-probabilities; the server must give {top_k} a token on its "
                "completions (logprobs), as vLLM does"
            )
        texts = [*found.tokens, *(text for step in found.top_logprobs for text in step)]
        other = next((text for text in texts if not text.startswith(_TOKEN_ID)), None)
        if other is not None:
            raise EvaluationError(
                f"endpoint {self._endpoint.url} gave the token {other!r} as a text, expected a token id; "
                "the server must know return_tokens_as_token_ids, as vLLM does"
            )
        return _taught(
            self.base,
            [_token_id(token) for token in found.tokens],
            [{_token_id(token): value for token, value in step.items()} for step in found.top_logprobs],
            top_k=top_k,
            is_cut=choice.finish_reason == "length",
            who=f"endpoint {self._endpoint.url}",
        )


def read_teacher_base(name: str) -> TeacherBase:
    """What is known of a base without loading its weights.

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


def _token_id(text: str) -> int:
    return int(text.removeprefix(_TOKEN_ID))


def _taught(
    base: TeacherBase,
    ids: Iterable[int],
    predictions: Sequence[Mapping[int, float]],
    *,
    top_k: int,
    is_cut: bool,
    who: str,
) -> TeacherAnswer:
    """An answer as it is stored; servers may give a prediction more than was asked for.

    Raises:
        EvaluationError: if predictions are missing, or the end of an answer that was not cut.
    """
    ids = list(ids)
    fewest = min(map(len, predictions), default=0)
    if len(predictions) != len(ids) or fewest < top_k:
        raise EvaluationError(
            f"{who} gave {fewest} predictions a token, expected {top_k}; let it give more (vllm serve has "
            "--max-logprobs)"
        )
    if not is_cut:
        if ids[-1] not in base.stop_ids:
            raise EvaluationError(
                f"{who} left out the token that ends an answer, whose predictions are learned too; the server must "
                "give it, as vLLM does"
            )
        ids[-1] = min(base.stop_ids)  # as the answers that training ends by itself
    best = [sorted(step.items(), key=lambda found: -found[1])[:top_k] for step in predictions]
    return TeacherAnswer(
        tuple(ids), tuple(token for step in best for token, _ in step), tuple(p for step in best for _, p in step)
    )
