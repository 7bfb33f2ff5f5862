"""How well an adapter does its task on examples, compared with the description or examples in the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.batches import answer_in_batches
from lorify.answering.plan import Query
from lorify.base.chat.prompts import Message
from lorify.base.decoding.sampling import GenerationOptions

NUM_SHOTS = 3
SPARE_TOKENS = 4
"""How many tokens longer than the longest right answer an answer may be."""


@dataclass(frozen=True)
class TaskCheck:
    """Shares of right answers on the examples of a task.

    Attributes:
        adapter: with the adapter.
        description: with the description in the prompt.
        examples: with up to three of the other examples in the prompt; None if there is a single example.
        wrong: (input, right answer, answer) of the inputs that the adapter got wrong.
        questions: number of inputs.
    """

    adapter: float
    description: float
    examples: float | None
    wrong: tuple[tuple[str, str, str], ...]
    questions: int


def check_task(
    answerer: Answerer, adapter: Adapter, description: str, examples: Sequence[tuple[str, str]]
) -> TaskCheck:
    """Answer the inputs of examples in three ways, with greedy decoding.

    Args:
        answerer: answers them.
        adapter: the adapter of the task.
        description: the description of the task.
        examples: (input, right answer), at least one. Case and white space at the ends do not count.
    """
    answers = [answer for _, answer in examples]
    length = max(len(answerer.base.encode_text(answer)) for answer in answers) + SPARE_TOKENS

    def ask(queries: Sequence[Query]) -> list[str]:
        plans = answerer.plan([answerer.request(query) for query in queries])
        found = answer_in_batches(answerer, list(zip(queries, plans, strict=True)), GenerationOptions(length))
        return [answer.text for answer in found]

    stack = AdapterStack.of(adapter)
    found = ask([Query(given, stack, only_if_relevant=False) for given, _ in examples])
    described = ask([Query(given, document=description) for given, _ in examples])
    shown = None
    if len(examples) > 1:
        shown = ask([Query(given, turns=_shots(examples, i)) for i, (given, _) in enumerate(examples)])
    wrong = [
        (given, answer, text)
        for (given, answer), text in zip(examples, found, strict=True)
        if not _is_same(text, answer)
    ]
    return TaskCheck(
        adapter=1 - len(wrong) / len(examples),
        description=_share(described, answers),
        examples=None if shown is None else _share(shown, answers),
        wrong=tuple(wrong),
        questions=len(examples),
    )


def _shots(examples: Sequence[tuple[str, str]], index: int) -> tuple[Message, ...]:
    """The turns of the examples that follow one, wrapping around at the end."""
    others = [*examples[index + 1 :], *examples[:index]][:NUM_SHOTS]
    pairs = [({"role": "user", "content": given}, {"role": "assistant", "content": answer}) for given, answer in others]
    return tuple(turn for pair in pairs for turn in pair)


def _share(found: Sequence[str], wanted: Sequence[str]) -> float:
    return sum(_is_same(text, answer) for text, answer in zip(found, wanted, strict=True)) / len(wanted)


def _is_same(text: str, answer: str) -> bool:
    return text.strip().casefold() == answer.strip().casefold()
