"""Who asks the questions: a language model behind an OpenAI-compatible endpoint, or a local base.

The first round asks about a context; further rounds show what was asked before and ask for what is left, with
reasoning over several facts. Source: Doc-to-LoRA (arXiv 2602.15902), data generation; the wording is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from lorify.base.chat import build_prompt_ids, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.data.examples import Example
from lorify.data.self_generated.engines import Endpoint, OfflineVllm, several_at_once

MAX_TOKENS = 1024
MAX_QUESTION_TOKENS = 64
BEGINNING = "Question 1:"
INSTRUCTION = (
    "Read the text and write {count} questions that it answers. Each must be about something only this text says, and "
    "understandable to someone who has not seen it: name people and things, and never speak of a text or passage. Ask "
    "about different facts. Write one question a line, each line as `Question N: ...`, and nothing else."
)
FURTHER = (
    "These questions were asked before; do not ask them again, in other words either:\n{asked}\n\nIf no new fact is "
    "left, ask what needs two facts of the text together, or a fact the other way round."
)
_QUESTION = re.compile(r"^\W*question\s*\d*\s*[:.)]\W*(.+?)\W*$", re.IGNORECASE | re.MULTILINE)


class QuestionWriter(Protocol):
    """Writes questions about a context."""

    @property
    def name(self) -> str:
        """What the data's record calls it."""
        ...

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """Up to `count` questions, other than those `asked` before."""
        ...

    def write_all(self, contexts: Sequence[str], asked: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """As `write`, for several contexts; writers that work on many at a time do so."""
        return [self.write(context, before, count) for context, before in zip(contexts, asked, strict=True)]


def writer_messages(context: str, asked: Sequence[str], count: int) -> list[dict[str, str]]:
    """The chat that asks for questions."""
    parts = [INSTRUCTION.format(count=count), f"Text:\n{context}"]
    if asked:
        parts.append(FURTHER.format(asked="\n".join(f"- {question}" for question in asked)))
    return [{"role": "user", "content": "\n\n".join(parts)}]


def parse_questions(text: str) -> list[str]:
    """Questions of an answer, each with its question mark."""
    return [f"{match.group(1).strip()}?" for match in _QUESTION.finditer(text)]


class LocalWriter(QuestionWriter):
    """A local base asks; the beginning of its answer is given, without which small bases keep to no form."""

    def __init__(self, base: BaseLM) -> None:
        """Ask with this base."""
        self.base = base

    @property
    def name(self) -> str:
        """The base's name."""
        return self.base.name

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """Up to `count` questions, decoded greedily."""
        tokenizer = self.base.tokenizer
        prompt = build_prompt_ids(tokenizer, writer_messages(context, asked, count))
        prompt += self.base.encode_text(BEGINNING)
        room = self.base.window_tokens - len(prompt)
        if room < 1:
            return []
        (answer,) = generate_batch(
            self.base,
            [prompt],
            GenerationOptions(min(room, MAX_TOKENS, count * MAX_QUESTION_TOKENS)),
            lora=None,
            stop_ids=stop_token_ids(tokenizer, self.base.model.generation_config),
        )
        return parse_questions(BEGINNING + self.base.decode_text(answer))[:count]


class GivenQuestions(QuestionWriter):
    """The questions that a data set has itself; its answers are not used."""

    def __init__(self, examples: Sequence[Example], name: str) -> None:
        """Ask what is asked in `examples`."""
        self._name = name
        self._questions = {
            example.documents[0].strip(): [question.text for question in example.questions] for example in examples
        }

    @property
    def name(self) -> str:
        """The data set's name."""
        return self._name

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """All questions about a context, in the first round; none in further ones."""
        del count
        return [] if asked else self._questions[context]


class VllmWriter(QuestionWriter):
    """A model asks inside vLLM, in this process: many contexts at a time."""

    def __init__(self, model: str, *, memory_share: float = 0.9) -> None:
        """Load `model`, a hub id or a folder, into this share of the device's memory.

        Raises:
            EvaluationError: if vLLM is not installed, or cannot load the model.
        """
        self._vllm = OfflineVllm(model, memory_share=memory_share)
        self._sampling = self._vllm.vllm.SamplingParams(temperature=0.0, max_tokens=MAX_TOKENS)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._vllm.model

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """Up to `count` questions."""
        return self.write_all([context], [asked], count)[0]

    def write_all(self, contexts: Sequence[str], asked: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Up to `count` questions about each context, decoded greedily in one batch."""
        chats = [writer_messages(context, before, count) for context, before in zip(contexts, asked, strict=True)]
        answers = self._vllm.engine.chat(chats, self._sampling, use_tqdm=False)
        return [parse_questions(answer.outputs[0].text)[:count] for answer in answers]


class EndpointWriter(QuestionWriter):
    """A model behind an OpenAI-compatible endpoint asks, about several contexts at a time."""

    def __init__(self, url: str, model: str) -> None:
        """Ask with `model` at `url`, such as `http://localhost:8000/v1`.

        Raises:
            EvaluationError: if the client library is not installed.
        """
        self.model = model
        self._endpoint = Endpoint(url)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """Up to `count` questions.

        Raises:
            EvaluationError: if the endpoint cannot be reached or refuses, after three more tries.
        """
        answer = self._endpoint.call(
            "write questions",
            self._endpoint.client.chat.completions.create,
            model=self.model,
            messages=writer_messages(context, asked, count),
            max_tokens=MAX_TOKENS,
            temperature=0.0,
        )
        return parse_questions(answer.choices[0].message.content or "")[:count]

    def write_all(self, contexts: Sequence[str], asked: Sequence[Sequence[str]], count: int) -> list[list[str]]:
        """Up to `count` questions about each context; the endpoint is asked about several at a time."""
        pairs = list(zip(contexts, asked, strict=True))
        return several_at_once(lambda pair: self.write(pair[0], pair[1], count), pairs)
