"""Training steps: contexts, questions, and what is mixed in.

Step n is built from the seed of the run and n alone, so that a resumed run sees the same data.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.data.examples import Example, Question
from lorify.data.facts.everyday import generate_everyday_example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.names import Split
from lorify.data.sources.niah import BLOCK_SEPARATOR, generate_niah_example
from lorify.data.sources.texts import SOURCE as TEXTS_SOURCE
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.engine.packing import Segment

NOISE_SOURCE = "noise"
MAX_POSITIONED_TOKENS = 3
"""Number of first tokens of an answer whose positions in the document are looked up."""
NOISE_PROBABILITY = 0.7
"""Probability of mixing noise into a needle context."""
NATURAL_SHARE = 0.5
"""Share of natural passages among contexts with questions of all kinds."""
NAMED_KINDS = ("facts", "niah", TEXTS_SOURCE)
"""Sources with their own metrics; all others are counted as `questions`."""


@dataclass(frozen=True)
class GeneralAnswer:
    """An unrelated prompt and the base's own greedy answer to it, as token ids."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One batch.

    Attributes:
        chunks: token ids of all chunks of all contexts.
        context_of_chunk: index of the context of each chunk `[chunks]`.
        mixing: how many times the statistics of each context count in each row `[rows, contexts]`; contexts without
            their own row are distractors.
        rows: the segments of each row.
        is_focused: whether each question of a row gets an adapter focused on it `[rows]`.
        kinds: kind of each segment, over all rows in order: `facts`, `niah`, `texts`, `general` for unrelated prompts,
            `questions` for natural passages of any source. If a context has several kinds, the question's kind.
    """

    chunks: list[list[int]]
    context_of_chunk: Tensor
    mixing: Tensor
    rows: list[list[Segment]]
    is_focused: list[bool]
    kinds: list[str]


class StepBuilder:
    """Draws the batch of each training step: chunks of documents, and questions about them.

    A step depends only on the seed and its number.
    """

    def __init__(
        self,
        config: AssociativeTrainingConfig,
        base: BaseLM,
        *,
        passages: Sequence[Example],
        texts: Sequence[Example] = (),
        everyday: Mapping[str, Sequence[Example]] | None = None,
        general: Sequence[GeneralAnswer],
        heldout: bool = False,
    ) -> None:
        """Set what steps are drawn from.

        Args:
            config: config of the run.
            base: the base, whose tokenizer is used.
            passages: natural passages with questions.
            texts: passages of plain documents, with sentences to complete.
            everyday: natural passages by the kind of their questions.
            general: unrelated prompts with the base's answers.
            heldout: build held-out steps, from generated documents that training never sees.
        """
        self.config, self.base = config, base
        self.passages, self.texts, self.general = passages, texts, general
        self.everyday = everyday or {}
        # Any end-of-turn token will do; the lowest one is deterministic.
        self.end_of_answer = min(base.stop_ids)
        self.split: Split = "heldout" if heldout else "train"

    def build(self, step: int) -> Step:
        """Build the batch of step `step`."""
        rng = random.Random(f"{self.config.seed}/{self.split}/{step}")
        examples = self._draw_examples(rng)
        noise = [self._noise(rng)] if self.config.data.niah else []
        contexts = [self._split_into_chunks(example) for example in [*examples, *noise]]
        chunks = [chunk for context in contexts for chunk in context]
        context_of_chunk = [index for index, context in enumerate(contexts) for _ in context]
        rows: list[list[Segment]] = []
        is_focused: list[bool] = []
        kinds: list[str] = []
        for index, example in enumerate(examples):
            own_chunks = {i: chunk for i, chunk in enumerate(chunks) if context_of_chunk[i] == index}
            row, row_kinds = self._build_row(rng, example, own_chunks)
            rows.append(row)
            kinds += row_kinds
            is_focused.append(rng.random() < self.config.data.focus_probability)
        mixing = self._mixing(rng, [*examples, *noise], len(rows))
        return Step(chunks, torch.tensor(context_of_chunk), mixing, rows, is_focused, kinds)

    def _draw_examples(self, rng: random.Random) -> list[Example]:
        mix = self.config.data
        examples = [self._facts(rng) for _ in range(mix.facts)]
        if self.passages:
            examples += [rng.choice(self.passages) for _ in range(mix.questions)]
        if self.texts:
            examples += [rng.choice(self.texts) for _ in range(mix.texts)]
        examples += [self._niah(rng) for _ in range(mix.niah)]
        return examples + [self._everyday(rng) for _ in range(mix.everyday)]

    def _split_into_chunks(self, example: Example) -> list[list[int]]:
        chunk_tokens = self.config.hypernetwork.chunk_tokens
        return [c for text in example.documents for c in split_into_chunks(text, self.base.tokenizer, chunk_tokens)]

    def _build_row(
        self, rng: random.Random, example: Example, chunks: Mapping[int, list[int]]
    ) -> tuple[list[Segment], list[str]]:
        """Segments of one row and their kinds; `chunks` are those of the example, by their index in the step."""
        mix = self.config.data
        has_teacher = example.source == TEXTS_SOURCE
        most = mix.sentences_per_text if has_teacher else mix.questions_per_context
        questions = rng.sample(example.questions, min(len(example.questions), most))
        if has_teacher:
            row = [self._teacher_segment(question, example.documents[0]) for question in questions]
        else:
            row = [self._segment(question, chunks) for question in questions]
        named = example.source if example.source in NAMED_KINDS else "questions"
        kinds = [question.kind or named for question in questions]
        if self.general and rng.random() < mix.general_probability:
            pick = rng.choice(self.general)
            row.append(Segment(pick.prompt, pick.answer, teacher_prompt=pick.prompt))
            kinds.append("general")
        return row, kinds

    def _mixing(self, rng: random.Random, contexts: Sequence[Example], num_rows: int) -> Tensor:
        mix = self.config.data
        mixing = torch.eye(num_rows, len(contexts))
        for row in range(num_rows):
            is_needle = contexts[row].source == "niah"
            if is_needle and rng.random() < NOISE_PROBABILITY:
                mixing[row, -1] = math.exp(rng.uniform(0, math.log(mix.noise_max_copies)))
            if rng.random() < mix.distractor_probability:
                # Two needles would contradict each other: every needle context answers the same question.
                others = [i for i in range(num_rows) if i != row and not (is_needle and contexts[i].source == "niah")]
                for other in rng.sample(others, min(len(others), rng.randint(1, mix.max_distractors))):
                    mixing[row, other] = 1.0
        return mixing

    def _facts(self, rng: random.Random) -> Example:
        return generate_fact_example(
            rng,
            split="heldout" if self.split == "heldout" else "train",
            num_documents=rng.choice((1, 1, 1, 2)),
            num_questions=self.config.data.questions_per_context,
        )

    def _everyday(self, rng: random.Random) -> Example:
        if self.everyday and rng.random() < NATURAL_SHARE:
            return rng.choice(self.everyday[rng.choice(sorted(self.everyday))])
        return generate_everyday_example(rng, split=self.split, num_questions=self.config.data.questions_per_context)

    def _niah(self, rng: random.Random) -> Example:
        mix = self.config.data
        return generate_niah_example(
            rng, length_tokens=rng.randint(mix.niah_min_tokens, mix.niah_max_tokens), count_tokens=self._count_tokens
        )

    def _noise(self, rng: random.Random) -> Example:
        needle = generate_niah_example(
            rng, length_tokens=self.config.hypernetwork.chunk_tokens, count_tokens=self._count_tokens
        )
        (answer,) = {question.answers[0] for question in needle.questions}
        noise = [line for line in needle.documents[0].split(BLOCK_SEPARATOR) if answer not in line]
        return Example((BLOCK_SEPARATOR.join(noise),), (), NOISE_SOURCE)

    def _count_tokens(self, text: str) -> int:
        return len(self.base.encode_text(text))

    def _segment(self, question: Question, chunks: Mapping[int, list[int]]) -> Segment:
        """Segment of a question about a context, whose chunks are given by their index in the step."""
        prompt = build_prompt_ids(self.base.tokenizer, question_messages(question.text))
        # Inside a text a word's token includes the space before it. With a leading space, the answer has the same
        # tokens as in the document, so that values of the memory can output them directly.
        answer = self.base.encode_text(f" {question.answers[0]}")
        return Segment(
            tuple(prompt),
            (*answer, self.end_of_answer),
            answer_positions=find_answer_positions(answer, chunks),
            question=question.text,
        )

    def _teacher_segment(self, question: Question, document: str) -> Segment:
        """Segment of a question whose answer is learned from the base with the document in its prompt."""
        tokenizer = self.base.tokenizer
        prompt = build_prompt_ids(tokenizer, question_messages(question.text))
        teacher_prompt = build_prompt_ids(tokenizer, question_messages(question.text, document))
        answer = self.base.encode_text(question.answers[0])
        return Segment(tuple(prompt), tuple(answer), teacher_prompt=tuple(teacher_prompt), question=question.text)


def find_answer_positions(
    answer: Sequence[int], chunks: Mapping[int, Sequence[int]]
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Find where the first tokens of an answer occur in chunks.

    Args:
        answer: token ids of the answer.
        chunks: token ids of chunks, by their index.

    Returns:
        As `Segment.answer_positions`.
    """
    wanted = list(answer)
    # Not at the very start of a chunk, where there may be no token before it, and so no key.
    starts = [
        (index, start)
        for index, chunk in chunks.items()
        for start in range(1, len(chunk) - len(wanted) + 1)
        if list(chunk[start : start + len(wanted)]) == wanted
    ]
    if not starts:
        return ()
    num_tokens = min(len(wanted), MAX_POSITIONED_TOKENS)
    return tuple(tuple((index, start + i) for index, start in starts) for i in range(num_tokens))
