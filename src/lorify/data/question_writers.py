"""Who asks the questions: a language model behind an OpenAI-compatible endpoint, or a local base.

The first round asks about a context; further rounds show what was asked before and ask for what is left, with
reasoning over several facts. Source: Doc-to-LoRA (arXiv 2602.15902), data generation; the wording is ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Protocol

from lorify.base.chat import build_prompt_ids, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.model import BaseModel
from lorify.errors import EvaluationError

MAX_TOKENS = 1024
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


def writer_messages(context: str, asked: Sequence[str], count: int) -> list[dict[str, str]]:
    """The chat that asks for questions."""
    parts = [INSTRUCTION.format(count=count), f"Text:\n{context}"]
    if asked:
        parts.append(FURTHER.format(asked="\n".join(f"- {question}" for question in asked)))
    return [{"role": "user", "content": "\n\n".join(parts)}]


def parse_questions(text: str) -> list[str]:
    """Questions of an answer, each with its question mark."""
    return [f"{match.group(1).strip()}?" for match in _QUESTION.finditer(text)]


class LocalWriter:
    """A local base asks."""

    def __init__(self, base: BaseModel) -> None:
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
        room = self.base.window_tokens - len(prompt)
        if room < 1:
            return []
        (answer,) = generate_batch(
            self.base,
            [prompt],
            lora=None,
            max_new_tokens=min(room, MAX_TOKENS),
            stop_ids=stop_token_ids(tokenizer, self.base.model.generation_config),
        )
        return parse_questions(self.base.decode_text(answer))[:count]


class EndpointWriter:
    """A model behind an OpenAI-compatible endpoint asks; the key comes from OPENAI_API_KEY, if one is needed."""

    def __init__(self, url: str, model: str) -> None:
        """Ask with `model` at `url`, such as `http://localhost:8000/v1`.

        Raises:
            EvaluationError: if the client library is not installed.
        """
        try:
            import openai
        except ImportError as error:
            raise EvaluationError("questions from an endpoint need the package openai: pip install openai") from error
        self.url, self.model = url, model
        self._errors = openai.OpenAIError
        self._client = openai.OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=3)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def write(self, context: str, asked: Sequence[str], count: int) -> list[str]:
        """Up to `count` questions.

        Raises:
            EvaluationError: if the endpoint cannot be reached or refuses, after three more tries.
        """
        try:
            answer = self._client.chat.completions.create(
                model=self.model,
                messages=writer_messages(context, asked, count),  # pyright: ignore[reportArgumentType]
                max_tokens=MAX_TOKENS,
                temperature=0.0,
            )
        except self._errors as error:
            raise EvaluationError(
                f"endpoint {self.url} did not write questions ({str(error).splitlines()[0]}); what is done is kept: "
                "see that it runs, and run the command again"
            ) from error
        return parse_questions(answer.choices[0].message.content or "")[:count]
