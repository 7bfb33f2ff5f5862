"""Training steps: which contexts, which questions, what is mixed in. Step n of a seed is always the same."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.base.chat import build_prompt_ids, question_messages, stop_token_ids
from lorify.base.model import BaseLM
from lorify.contexts.chunking import split_into_chunks
from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example
from lorify.data.sources.niah import BLOCK_SEPARATOR, generate_niah_example
from lorify.data.sources.texts import SOURCE as TEXTS_SOURCE
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.engine.packing import Segment

NOISE_SOURCE = "noise"
PLACED_TOKENS = 3
OWN_KINDS = ("facts", "niah", TEXTS_SOURCE)


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
        context_of_chunk: `[chunks]` index of the context each belongs to.
        mixing: `[rows, contexts]`, how many times each context's statistics count for each row; contexts without a
            row of their own are distractors.
        rows: the questions of each row.
        is_focused: of each row, whether every question gets a memory focused on its words.
        kinds: of each segment, over all rows in order: `facts`, `niah`, `texts`, `general` for unrelated prompts,
            `questions` for natural passages of any source.
    """

    chunks: list[list[int]]
    context_of_chunk: Tensor
    mixing: Tensor
    rows: list[list[Segment]]
    is_focused: list[bool]
    kinds: list[str]


class StepBuilder:
    """Builds step n of a run from the seed alone, so that a resumed run sees the same data."""

    def __init__(
        self,
        config: AssociativeTrainingConfig,
        base: BaseLM,
        *,
        passages: Sequence[Example],
        texts: Sequence[Example] = (),
        general: Sequence[GeneralAnswer],
        heldout: bool = False,
    ) -> None:
        """`passages` with questions, plain `texts` and unrelated `general` prompts are what to draw from."""
        self.config, self.base = config, base
        self.passages, self.texts, self.general = passages, texts, general
        # Any end of turn will do; the lowest is the same every time.
        self.end_of_answer = min(stop_token_ids(base.tokenizer, base.model.generation_config))
        self.split = "heldout" if heldout else "train"

    def build(self, step: int) -> Step:
        """The batch of step `step`."""
        rng = random.Random(f"{self.config.seed}/{self.split}/{step}")
        mix = self.config.data
        examples = [self._facts(rng) for _ in range(mix.facts)]
        if self.passages:
            examples += [rng.choice(self.passages) for _ in range(mix.questions)]
        if self.texts:
            examples += [rng.choice(self.texts) for _ in range(mix.texts)]
        examples += [self._niah(rng) for _ in range(mix.niah)]
        noise = [self._noise(rng)] if mix.niah else []
        chunks, context_of_chunk = [], []
        for index, example in enumerate([*examples, *noise]):
            for document in example.documents:
                for chunk in split_into_chunks(document, self.base.tokenizer, self.config.hypernetwork.chunk_tokens):
                    chunks.append(chunk)
                    context_of_chunk.append(index)
        chunks_of_context = [[i for i, c in enumerate(context_of_chunk) if c == n] for n in range(len(examples))]
        rows, is_focused, kinds = [], [], []
        for example, own_chunks in zip(examples, chunks_of_context, strict=True):
            taught = example.source == TEXTS_SOURCE
            most = mix.sentences_per_text if taught else mix.questions_per_context
            questions = rng.sample(example.questions, min(len(example.questions), most))
            if taught:
                row = [self._taught_segment(question, example.documents[0]) for question in questions]
            else:
                row = [self._segment(question, {i: chunks[i] for i in own_chunks}) for question in questions]
            kinds += [example.source if example.source in OWN_KINDS else "questions"] * len(row)
            if self.general and rng.random() < mix.general_probability:
                pick = rng.choice(self.general)
                row.append(Segment(pick.prompt, pick.answer, teacher_prompt=pick.prompt))
                kinds.append("general")
            rows.append(row)
            is_focused.append(rng.random() < mix.focus_probability)
        mixing = self._mixing(rng, [*examples, *noise], len(rows))
        return Step(chunks, torch.tensor(context_of_chunk), mixing, rows, is_focused, kinds)

    def _mixing(self, rng: random.Random, contexts: Sequence[Example], num_rows: int) -> Tensor:
        mix = self.config.data
        mixing = torch.eye(num_rows, len(contexts))
        for row in range(num_rows):
            is_needle = contexts[row].source == "niah"
            if is_needle and rng.random() < 0.7:
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
        """Of a question about a context, whose chunks are given by their index in the step."""
        prompt = build_prompt_ids(self.base.tokenizer, question_messages(question.text))
        # Inside a text a word's token includes the space before it: with one, the answer's tokens are those of the
        # document, and what was read can be said without translation.
        answer = self.base.encode_text(f" {question.answers[0]}")
        return Segment(
            tuple(prompt), (*answer, self.end_of_answer), places=find_places(answer, chunks), question=question.text
        )

    def _taught_segment(self, question: Question, document: str) -> Segment:
        """Of a question whose answer is learned from what the base says with the document in its prompt."""
        tokenizer = self.base.tokenizer
        prompt = build_prompt_ids(tokenizer, question_messages(question.text))
        teacher_prompt = build_prompt_ids(tokenizer, question_messages(question.text, document))
        answer = self.base.encode_text(question.answers[0])
        return Segment(tuple(prompt), tuple(answer), teacher_prompt=tuple(teacher_prompt), question=question.text)


def find_places(answer: Sequence[int], chunks: Mapping[int, Sequence[int]]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Where the answer's first tokens stand in chunks; see `Segment.places`."""
    wanted = list(answer)
    # Not at the very start of a chunk: there no token, and no key, may come before it.
    starts = [
        (index, start)
        for index, chunk in chunks.items()
        for start in range(1, len(chunk) - len(wanted) + 1)
        if list(chunk[start : start + len(wanted)]) == wanted
    ]
    if not starts:
        return ()
    return tuple(tuple((index, start + i) for index, start in starts) for i in range(min(len(wanted), PLACED_TOKENS)))
