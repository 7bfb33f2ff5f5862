"""Prompts for self-generated data: the request for questions, requests for short answers, and the teacher's prompt.

There are two sets: lorify's own, and Doc-to-LoRA's, whose writer also answers its questions and sees these answers in
later rounds.

Source: Doc-to-LoRA (arXiv 2602.15902); data/generate_fw_edu_qa_v2.py and data/self_generate_qa.py of
github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, Protocol

from lorify.base.chat.prompts import Message, question_messages

PromptStyle = Literal["lorify", "published"]

SHORT_ANSWERS = (
    "Give only the answer to this question, in a few words.",
    "Answer briefly and without any explanation.",
    "What is the answer? Say just that, and nothing around it.",
    "Reply with the shortest correct answer that the text gives.",
)
"""Requests for a short answer, one of which precedes each question if short answers are wanted."""
INSTRUCTION = (
    "Read the text and write {count} questions that it answers. Each must be about something only this text says, and "
    "understandable to someone who has not seen it: name people and things, and never speak of a text or passage. Ask "
    "about different facts. Write one question a line, each line as `Question N: ...`, and nothing else."
)
FURTHER_INSTRUCTION = (
    "These questions were asked before; do not ask them again, in other words either:\n{earlier}\n\nIf no new fact is "
    "left, ask what needs two facts of the text together, or a fact the other way round."
)
_QUESTION = re.compile(r"^\W*question\s*\d*\s*[:.)]\W*(.+?)\W*$", re.IGNORECASE | re.MULTILINE)
_PAIR = re.compile(r"Question \d+:(?P<question>.*?)Answer \d+:(?P<answer>.*?)(?=Question \d+:|\Z)", re.DOTALL)


class DataPrompts(Protocol):
    """Prompts for self-generated data: for the question writer and for the teacher."""

    @property
    def short_answers(self) -> Sequence[str]:
        """Requests for a short answer, with a field `{question}`."""
        ...

    def teacher_messages(self, question: str, context: str) -> list[Message]:
        """Build the chat in which the teacher answers a question about the context."""
        ...

    def writer_messages(self, context: str, earlier: Sequence[str], count: int) -> list[Message]:
        """Build the chat that requests questions other than the earlier ones.

        Args:
            context: the context to ask about.
            earlier: questions not to repeat.
            count: number of questions to request.
        """
        ...

    def parse_questions(self, context: str, text: str) -> list[str]:
        """Find the questions in the writer's text."""
        ...


class LorifyPrompts(DataPrompts):
    """lorify's own prompts, which ask the writer for questions only."""

    @property
    def short_answers(self) -> Sequence[str]:
        """Requests for a short answer, before the question."""
        return [f"{request}\n\n{{question}}" for request in SHORT_ANSWERS]

    def teacher_messages(self, question: str, context: str) -> list[Message]:
        """Build a chat with one user turn that contains the context and the question."""
        return question_messages(question, context)

    def writer_messages(self, context: str, earlier: Sequence[str], count: int) -> list[Message]:
        """Build a chat with one user turn that requests `count` questions other than the earlier ones."""
        parts = [INSTRUCTION.format(count=count), f"Text:\n{context}"]
        if earlier:
            parts.append(FURTHER_INSTRUCTION.format(earlier="\n".join(f"- {question}" for question in earlier)))
        return [{"role": "user", "content": "\n\n".join(parts)}]

    def parse_questions(self, context: str, text: str) -> list[str]:
        """Return the questions in lines such as `Question 1: ...`, each with its question mark."""
        del context
        return [f"{match.group(1).strip()}?" for match in _QUESTION.finditer(text)]


@dataclass(frozen=True)
class PublishedPrompts(DataPrompts):
    """The prompts with which Doc-to-LoRA generates its training data.

    Attributes:
        written: the writer's answers to its questions, by context and question.
    """

    written: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def short_answers(self) -> Sequence[str]:
        """The 22 requests for a short answer."""
        return published_texts()["short_answers"]

    def teacher_messages(self, question: str, context: str) -> list[Message]:
        """Build a chat with the context, instructions on how to use it, and the question."""
        text = published_texts()["teacher"].format(context=context, question=question)
        return [{"role": "user", "content": text.strip()}]

    def writer_messages(self, context: str, earlier: Sequence[str], count: int) -> list[Message]:
        """Build the chat that requests `count` questions with answers, showing earlier questions with theirs."""
        texts = published_texts()
        pairs = [(question, self.written.get((context, question), "")) for question in earlier]
        shown = "".join(f"Question {i}: {q}\nAnswer {i}: {a}\n" for i, (q, a) in enumerate(pairs, 1))
        request = texts["further_writer"] if earlier else texts["writer"]
        return [
            {"role": "system", "content": texts["writer_system"]},
            {"role": "user", "content": request.format(context=context, count=count, earlier=shown)},
        ]

    def parse_questions(self, context: str, text: str) -> list[str]:
        """Find the questions that have answers, and remember the answers."""
        pairs = [(m["question"].strip(), m["answer"].strip()) for m in _PAIR.finditer(text.split("</think>")[-1])]
        complete = {question: answer for question, answer in pairs if question and answer}
        self.written.update({(context, question): answer for question, answer in complete.items()})
        return list(complete)


LORIFY_PROMPTS = LorifyPrompts()
PROMPTS: Mapping[PromptStyle, type[DataPrompts]] = MappingProxyType(
    {"lorify": LorifyPrompts, "published": PublishedPrompts}
)


@cache
def published_texts() -> Mapping[str, Any]:
    """Return Doc-to-LoRA's prompts, keyed as in `doc_to_lora_prompts.json`."""
    path = files("lorify.data.self_generated").joinpath("doc_to_lora_prompts.json")
    return MappingProxyType(json.loads(path.read_text(encoding="utf-8")))
