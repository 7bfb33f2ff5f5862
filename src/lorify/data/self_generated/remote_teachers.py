"""Teachers in vLLM or behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lorify.base.files.locate import resolve_base
from lorify.data.self_generated.engines import Endpoint, OfflineVllm, call_concurrently
from lorify.data.self_generated.teachers import Teacher, TeacherAnswer, TeacherBase, read_teacher_base
from lorify.errors import EvaluationError, first_line

PREFERRED_CONTEXTS = 64
_TOKEN_ID = "token_id:"  # prefix with which vLLM writes token ids instead of texts


class _RemoteTeacher(Teacher):
    """A teacher whose base runs in vLLM, so that its weights are not loaded here."""

    def __init__(self, name: str) -> None:
        """Read the tokenizer and config of the base.

        Args:
            name: name, id or folder of the base.

        Raises:
            BaseModelError: if they cannot be found, fetched or read.
        """
        self._base = read_teacher_base(name)

    @property
    def base(self) -> TeacherBase:
        """Name, digest, tokenizer and window of the base, without its weights."""
        return self._base

    @property
    def preferred_contexts(self) -> int:
        """Return `PREFERRED_CONTEXTS`: vLLM is fastest with many prompts at once."""
        return PREFERRED_CONTEXTS


class VllmTeacher(_RemoteTeacher):
    """The base in vLLM, in this process; it answers large batches."""

    def __init__(self, name: str, *, memory_share: float = 0.9) -> None:
        """Load the base.

        Args:
            name: name, id or folder of the base.
            memory_share: share of the device memory to use.

        Raises:
            BaseModelError: if its files cannot be found, fetched or read.
            EvaluationError: if vLLM is not installed, or cannot load it.
        """
        super().__init__(name)
        self._vllm = OfflineVllm(str(resolve_base(name)), memory_share=memory_share)

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Answer prompts greedily, in one batch; see `Teacher.answer`."""
        sampling = self._vllm.vllm.SamplingParams(
            temperature=0.0, max_tokens=max_new_tokens, logprobs=top_k, stop_token_ids=sorted(self.base.stop_ids)
        )
        try:
            outputs = self._vllm.engine.generate(
                [{"prompt_token_ids": list(prompt)} for prompt in prompts], sampling, use_tqdm=False
            )
        except (ValueError, RuntimeError) as error:
            raise EvaluationError(
                f"vLLM did not answer with {top_k} predictions per token ({first_line(error)}); finished shards "
                "are kept: give another --teacher"
            ) from error
        return [
            _build_answer(
                self.base,
                completion.token_ids,
                [{token: found.logprob for token, found in step.items()} for step in completion.logprobs],
                top_k=top_k,
                is_cut=completion.finish_reason == "length",
                source="vLLM",
            )
            for output in outputs
            for completion in output.outputs[:1]
        ]


class EndpointTeacher(_RemoteTeacher):
    """The base behind an OpenAI-compatible endpoint that returns token ids and log-probabilities, as vLLM does."""

    def __init__(self, url: str, name: str) -> None:
        """Connect to the endpoint.

        Args:
            url: address, such as `http://localhost:8000/v1`.
            name: name, id or folder of the base, whose tokenizer and config are read here.

        Raises:
            BaseModelError: if its tokenizer and config cannot be found, fetched or read.
            EvaluationError: if the endpoint cannot be reached, or serves several models but none with this name.
        """
        super().__init__(name)
        self._endpoint = Endpoint(url)
        listed = self._endpoint.call("list its models", self._endpoint.client.models.list)
        # Models that vLLM lists with a parent are adapters.
        served = [model.id for model in listed.data if not getattr(model, "parent", None)]
        if name not in served and len(served) != 1:
            raise EvaluationError(
                f"endpoint {url} serves {', '.join(served) or 'nothing'}, expected {name}; serve the base under that "
                "name (vllm serve has --served-model-name)"
            )
        self._model = name if name in served else served[0]

    def answer(self, prompts: Sequence[Sequence[int]], *, top_k: int, max_new_tokens: int) -> list[TeacherAnswer]:
        """Answer prompts greedily, with concurrent requests; see `Teacher.answer`."""

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

        return call_concurrently(ask, prompts)

    def _read(self, choice: Any, top_k: int) -> TeacherAnswer:
        """Read the answer from a completion, whose tokens must be token ids."""
        found = choice.logprobs
        if found is None or not found.tokens or not found.top_logprobs:
            raise EvaluationError(
                f"endpoint {self._endpoint.url} returned no log-probabilities; the server must return {top_k} per "
                "token with completions (logprobs), as vLLM does"
            )
        texts = [*found.tokens, *(text for step in found.top_logprobs for text in step)]
        other = next((text for text in texts if not text.startswith(_TOKEN_ID)), None)
        if other is not None:
            raise EvaluationError(
                f"endpoint {self._endpoint.url} returned the token {other!r} as text, expected a token id; "
                "the server must support return_tokens_as_token_ids, as vLLM does"
            )
        return _build_answer(
            self.base,
            [_token_id(token) for token in found.tokens],
            [{_token_id(token): value for token, value in step.items()} for step in found.top_logprobs],
            top_k=top_k,
            is_cut=choice.finish_reason == "length",
            source=f"endpoint {self._endpoint.url}",
        )


def _token_id(text: str) -> int:
    return int(text.removeprefix(_TOKEN_ID))


def _build_answer(
    base: TeacherBase,
    ids: Iterable[int],
    predictions: Sequence[Mapping[int, float]],
    *,
    top_k: int,
    is_cut: bool,
    source: str,
) -> TeacherAnswer:
    """Build an answer from token ids and predictions; servers may return one more prediction than requested.

    Raises:
        EvaluationError: if predictions are missing, or an answer that was not cut has no end-of-turn token.
    """
    ids = list(ids)
    fewest = min(map(len, predictions), default=0)
    if len(predictions) != len(ids) or fewest < top_k:
        raise EvaluationError(
            f"{source} returned {fewest} predictions per token, expected {top_k}; raise the server's "
            "limit (vllm serve has --max-logprobs)"
        )
    if not is_cut:
        if ids[-1] not in base.stop_ids:
            raise EvaluationError(
                f"{source} omitted the token that ends an answer, whose predictions are learned too; the server must "
                "return it, as vLLM does"
            )
        ids[-1] = min(base.stop_ids)  # the same token as in the answers of `LocalTeacher`
    top = [sorted(step.items(), key=lambda found: -found[1])[:top_k] for step in predictions]
    return TeacherAnswer(
        tuple(ids), tuple(token for step in top for token, _ in step), tuple(p for step in top for _, p in step)
    )
