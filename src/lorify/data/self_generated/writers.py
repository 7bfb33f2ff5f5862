"""Question writers: a local base, vLLM, an OpenAI-compatible endpoint, or the questions of a data set.

The first round requests questions about a context. Further rounds show the earlier questions and request new ones,
including questions that combine several facts.

Source: Doc-to-LoRA (arXiv 2602.15902), data generation; for the wording see `lorify.data.self_generated.prompts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from lorify.base.chat.prompts import build_prompt_ids
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.data.examples import Example
from lorify.data.self_generated.engines import Endpoint, OfflineVllm, call_concurrently
from lorify.data.self_generated.prompts import LORIFY_PROMPTS, DataPrompts

MAX_TOKENS = 1024
MAX_QUESTION_TOKENS = 64
BATCH_SIZE = 8
"""Number of contexts that a local base writes questions about at a time."""
ANSWER_PREFIX = "Question 1:"


class QuestionWriter(Protocol):
    """A source of questions about contexts: a language model that writes them, or a data set that contains them."""

    @property
    def name(self) -> str:
        """Name to record with the data."""
        ...

    def write(self, context: str, earlier: Sequence[str], count: int) -> list[str]:
        """Write up to `count` questions that differ from `earlier` ones.

        Args:
            context: the context to ask about.
            earlier: questions that already exist.
            count: maximum number of questions.
        """
        ...

    def write_all(self, contexts: Sequence[str], earlier: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Write questions about several contexts, in batches or concurrently if the writer can.

        Args:
            contexts: the contexts to ask about.
            earlier: for each context, questions that already exist.
            count: maximum number of questions about each context.
        """
        return [self.write(context, own_earlier, count) for context, own_earlier in zip(contexts, earlier, strict=True)]


class LocalWriter(QuestionWriter):
    """Writes questions with a base in this process.

    The prompt already contains the beginning of the answer, since small bases otherwise do not follow the format.
    """

    def __init__(self, base: BaseLM, prompts: DataPrompts = LORIFY_PROMPTS) -> None:
        """Use this base, with requests worded as in `prompts`."""
        self.base, self.prompts = base, prompts

    @property
    def name(self) -> str:
        """The base's name."""
        return self.base.name

    def write(self, context: str, earlier: Sequence[str], count: int) -> list[str]:
        """Write up to `count` questions, decoded greedily."""
        return self.write_all([context], [earlier], count)[0]

    def write_all(self, contexts: Sequence[str], earlier: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Write up to `count` questions about each context, decoded greedily, `BATCH_SIZE` contexts at a time."""
        prompts = [self._prompt(*pair, count) for pair in zip(contexts, earlier, strict=True)]
        written: list[list[str]] = [[] for _ in contexts]
        for limit, group in self._groups(prompts, min(MAX_TOKENS, count * MAX_QUESTION_TOKENS)):
            answers = generate_batch(
                self.base,
                [prompts[number] for number in group],
                GenerationOptions(limit),
                lora=None,
                stop_ids=self.base.stop_ids,
            )
            for number, answer in zip(group, answers, strict=True):
                text = ANSWER_PREFIX + self.base.decode_text(answer)
                written[number] = self.prompts.parse_questions(contexts[number], text)[:count]
        return written

    def _prompt(self, context: str, earlier: Sequence[str], count: int) -> list[int]:
        messages = self.prompts.writer_messages(context, earlier, count)
        return build_prompt_ids(self.base.tokenizer, messages) + self.base.encode_text(ANSWER_PREFIX)

    def _groups(self, prompts: Sequence[Sequence[int]], most: int) -> Iterator[tuple[int, list[int]]]:
        """Yield answer limit and prompt indices of each batch; prompts without room for an answer are left out."""
        rooms = [min(most, self.base.window_tokens - len(prompt)) for prompt in prompts]
        for limit in sorted({room for room in rooms if room > 0}):
            fitting = [number for number, room in enumerate(rooms) if room == limit]
            for start in range(0, len(fitting), BATCH_SIZE):
                yield limit, fitting[start : start + BATCH_SIZE]


class GivenQuestions(QuestionWriter):
    """The questions of a data set; its answers are not used."""

    def __init__(self, examples: Sequence[Example], name: str) -> None:
        """Use the questions of `examples`; `name` is the data set's name."""
        self._name = name
        self._questions = {
            example.documents[0].strip(): [question.text for question in example.questions] for example in examples
        }

    @property
    def name(self) -> str:
        """The data set's name."""
        return self._name

    def write(self, context: str, earlier: Sequence[str], count: int) -> list[str]:
        """Return all questions about a context in the first round, and none in further ones."""
        del count
        return [] if earlier else self._questions[context]


class VllmWriter(QuestionWriter):
    """A model in vLLM, in this process; it writes in large batches."""

    def __init__(self, model: str, *, memory_share: float = 0.9, prompts: DataPrompts = LORIFY_PROMPTS) -> None:
        """Load the model.

        Args:
            model: hub id or folder.
            prompts: wording of the requests.
            memory_share: share of the device memory to use.

        Raises:
            EvaluationError: if vLLM is not installed, or cannot load the model.
        """
        self._vllm, self.prompts = OfflineVllm(model, memory_share=memory_share), prompts
        self._sampling = self._vllm.vllm.SamplingParams(temperature=0.0, max_tokens=MAX_TOKENS)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._vllm.model

    def write(self, context: str, earlier: Sequence[str], count: int) -> list[str]:
        """Write up to `count` questions about a context that differ from `earlier` ones, decoded greedily."""
        return self.write_all([context], [earlier], count)[0]

    def write_all(self, contexts: Sequence[str], earlier: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Write up to `count` questions about each context, decoded greedily in one batch."""
        pairs = zip(contexts, earlier, strict=True)
        chats = [self.prompts.writer_messages(context, own_earlier, count) for context, own_earlier in pairs]
        answers = self._vllm.engine.chat(chats, self._sampling, use_tqdm=False)
        return [
            self.prompts.parse_questions(context, answer.outputs[0].text)[:count]
            for context, answer in zip(contexts, answers, strict=True)
        ]


class EndpointWriter(QuestionWriter):
    """A model behind an OpenAI-compatible endpoint, called concurrently."""

    def __init__(self, url: str, model: str, prompts: DataPrompts = LORIFY_PROMPTS) -> None:
        """Create the client without connecting.

        Args:
            url: address, such as `http://localhost:8000/v1`.
            model: name of the model.
            prompts: wording of the requests.

        Raises:
            EvaluationError: if the client library is not installed.
        """
        self.model, self.prompts = model, prompts
        self._endpoint = Endpoint(url)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def write(self, context: str, earlier: Sequence[str], count: int) -> list[str]:
        """Write up to `count` questions.

        Raises:
            EvaluationError: if the endpoint cannot be reached or refuses, after three retries.
        """
        answer = self._endpoint.call(
            "write questions",
            self._endpoint.client.chat.completions.create,
            model=self.model,
            messages=self.prompts.writer_messages(context, earlier, count),
            max_tokens=MAX_TOKENS,
            temperature=0.0,
        )
        return self.prompts.parse_questions(context, answer.choices[0].message.content or "")[:count]

    def write_all(self, contexts: Sequence[str], earlier: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Write up to `count` questions about each context, with concurrent requests."""
        pairs = list(zip(contexts, earlier, strict=True))
        return call_concurrently(lambda pair: self.write(pair[0], pair[1], count), pairs)
