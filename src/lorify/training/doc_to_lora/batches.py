"""Batches of contexts with questions, each context in a random number of chunks. Batch n is always the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lorify.base.chat.prompts import build_prompt_ids, question_messages, with_system_turn
from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import Chunk, ContextEncoder, context_ids, split_evenly
from lorify.contexts.images import read_image
from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example
from lorify.data.self_generated.published import TokenizedContext
from lorify.data.self_generated.store import SelfGeneratedQuestion
from lorify.data.sources.niah import generate_niah_example
from lorify.errors import TrainingError
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.carry_over import WINDOW_BATCHES, Streams
from lorify.training.doc_to_lora.contexts import Contexts, context_sources
from lorify.training.doc_to_lora.mixture import Draw, group_questions
from lorify.training.engine.packing import Segment

LISTED_KINDS = ("questions", "self_generated", "images", "digits")
MAX_DRAWS = 20
"""Number of contexts to draw before giving up on a batch because none fits."""


@dataclass(frozen=True)
class ContextRow:
    """One context of a batch.

    Attributes:
        chunks: its chunks: token ids with their affixes, or an image.
        segments: its questions with their answers.
        teacher_answers: the teacher's stored answer to each question, or None.
        kind: kind of context, for the curves.
    """

    chunks: list[Chunk]
    segments: list[Segment]
    teacher_answers: list[SelfGeneratedQuestion | None]
    kind: str

    @property
    def num_context_tokens(self) -> int:
        """Number of tokens that the context encoder reads."""
        return sum(map(len, self.chunks))

    @property
    def num_question_tokens(self) -> int:
        """Number of tokens that the base reads."""
        return sum(len(segment.prompt) + len(segment.answer) for segment in self.segments)


class PerceiverBatches:
    """Builds batch n from the seed alone, drawing contexts until the batch is full."""

    def __init__(
        self,
        config: PerceiverTrainingConfig,
        base: BaseLM,
        encoder: ContextEncoder,
        hypernetwork: PerceiverConfig,
        listed: Contexts,
        *,
        heldout: bool = False,
    ) -> None:
        """Draw from lists of contexts and from generators.

        Args:
            config: the run.
            base: the base, whose chat template and tokenizer the questions use.
            encoder: the context encoder, whose tokenizer the contexts use.
            hypernetwork: config of the hypernetwork, with the longest chunk and the token ids around each chunk.
            listed: contexts by kind; those of other kinds are generated.
            heldout: build held-out batches instead of training batches.
        """
        self.config, self.base, self.encoder, self.hypernetwork = config, base, encoder, hypernetwork
        self._sources = context_sources(listed, config.data)
        self.end_of_answer = min(base.stop_ids)
        self.split = "heldout" if heldout else "train"
        self._streams: Streams[list[ContextRow]] = Streams(self._stream)
        self._window: tuple[int, Mapping[str, Draw]] = (-1, {})

    def build(self, batch: int) -> list[ContextRow]:
        """Build the contexts of batch `batch`, at least one.

        Raises:
            TrainingError: if no context fits a batch.
        """
        if self.config.data.carry_over:
            return self._streams.batch(batch)
        # Contexts have their own generator, so that runs of other hypernetworks with the same seed see the same
        # needles.
        contexts, rng = self._generators(str(batch))
        return next(self._pack(contexts, rng, batch // WINDOW_BATCHES))

    def _stream(self, window: int, stream: int) -> Iterator[list[ContextRow]]:
        return self._pack(*self._generators(f"{window}/{stream}"), window)

    def _generators(self, name: str) -> tuple[random.Random, random.Random]:
        seed = f"{self.config.seed}/{self.split}/{name}"
        return random.Random(seed), random.Random(f"{seed}/questions and chunks")

    def _pack(self, contexts: random.Random, rng: random.Random, window: int) -> Iterator[list[ContextRow]]:
        """Fill one batch after another; a context that does not fit starts the next one."""
        data = self.config.data
        rows: list[ContextRow] = []
        draws = 0
        while True:
            row = self._row(*self._draw(contexts, window), rng)
            fits_alone = bool(row.segments) and self._fits([row])
            if rows and row.segments and not (fits_alone and self._fits([*rows, row])):
                yield rows
                rows = []
            draws = 0 if fits_alone else draws + 1
            if draws == MAX_DRAWS:
                raise TrainingError(
                    f"none of {MAX_DRAWS} contexts fits a batch of {data.batch_context_tokens} context and "
                    f"{data.batch_question_tokens} question tokens; raise data.batch_context_tokens or "
                    "data.batch_question_tokens"
                )
            rows += [row] if fits_alone else []
            if len(rows) == data.batch_contexts:
                yield rows
                rows = []

    def _fits(self, rows: Sequence[ContextRow]) -> bool:
        data = self.config.data
        num_context = sum(row.num_context_tokens for row in rows)
        num_question = sum(row.num_question_tokens for row in rows)
        return num_context <= data.batch_context_tokens and num_question <= data.batch_question_tokens

    def _row(self, kind: str, example: Example, rng: random.Random) -> ContextRow:
        document = "\n\n".join(example.documents)
        questions = self._choose(example, document, rng)
        chunks: list[Chunk] = [
            self.encoder.image_chunk(read_image(image), system_turn=self.config.hypernetwork.system_turn)
            for image in example.images
        ]
        return ContextRow(
            chunks or self._chunks(rng, self._context_ids(example, document)),
            [self.build_segment(question, document) for question in questions],
            [question if isinstance(question, SelfGeneratedQuestion) else None for question in questions],
            kind.replace("_", "-"),
        )

    def _choose(self, example: Example, document: str, rng: random.Random) -> Sequence[Question]:
        """Choose questions about a context: at random, or, as published, one of their groups in order."""
        data = self.config.data
        if data.sampling == "contexts":
            questions = rng.sample(example.questions, min(len(example.questions), data.questions_per_context))
            if data.max_question_tokens is None:
                return questions
            groups = self._groups(questions, document)
            return [questions[i] for i in groups[0]] if groups else []
        groups = self._groups(example.questions, document)
        return [example.questions[i] for i in rng.choice(groups)] if groups else []

    def _groups(self, questions: Sequence[Question], document: str) -> list[list[int]]:
        data = self.config.data
        lengths = [0] * len(questions)
        if data.max_question_tokens is not None:
            segments = [self.build_segment(question, document) for question in questions]
            lengths = [len(segment.prompt) + len(segment.answer) for segment in segments]
        return group_questions(lengths, max_tokens=data.max_question_tokens, max_questions=data.questions_per_context)

    def _draw(self, rng: random.Random, window: int) -> tuple[str, Example]:
        """Draw the kind of a context, then a context of that kind."""
        data = self.config.data
        shares = {name: share for name in ("niah", "facts", *LISTED_KINDS) if (share := getattr(data, name))}
        kind = next(iter(shares)) if len(shares) == 1 else rng.choices(list(shares), weights=list(shares.values()))[0]
        if kind in LISTED_KINDS:
            return kind, self._draw_of(window)[kind](rng)
        if kind == "facts":
            return kind, generate_fact_example(
                rng,
                split="heldout" if self.split == "heldout" else "train",
                num_documents=1,
                num_questions=data.questions_per_context,
            )
        length = rng.randint(data.niah_min_tokens, data.niah_max_tokens)
        return kind, generate_niah_example(rng, length_tokens=length, count_tokens=self._count_tokens)

    def _draw_of(self, window: int) -> Mapping[str, Draw]:
        """Functions that draw listed contexts in a window of batches, by kind."""
        if self._window[0] != window:
            seed = f"{self.config.seed}/{self.split}/{window}"
            draws = {k: source.window(random.Random(f"{seed}/{k}")) for k, source in self._sources.items()}
            self._window = (window, draws)
        return self._window[1]

    def _context_ids(self, example: Example, document: str) -> Sequence[int]:
        if isinstance(example, TokenizedContext) and self.encoder.tokenizer is self.base.tokenizer:
            return example.context_ids
        affixes = self.hypernetwork.encoder
        return context_ids(
            self.encoder,
            document.strip(),
            prefix=affixes.prefix_ids,
            suffix=affixes.suffix_ids,
            system_turn=self.hypernetwork.system_turn,
        )

    def _chunks(self, rng: random.Random, ids: Sequence[int]) -> list[Chunk]:
        prefix, suffix = self.hypernetwork.encoder.prefix_ids, self.hypernetwork.encoder.suffix_ids
        count = draw_num_chunks(
            rng,
            len(prefix) + len(ids) + len(suffix),
            probabilities=self.config.data.chunk_probabilities,
            min_tokens=self.config.data.min_chunk_tokens,
            max_tokens=self.hypernetwork.chunk_tokens,
        )
        return [*split_evenly(ids, num_chunks=count, prefix=prefix, suffix=suffix)]

    def build_segment(self, question: Question, document: str) -> Segment:
        """Tokenize a question about a document: its prompts for student and teacher, and its answer."""
        if isinstance(question, SelfGeneratedQuestion):  # without a system turn, as in the teacher's prompt
            student = question.prompt_ids or build_prompt_ids(self.base.tokenizer, question_messages(question.text))
            return Segment(tuple(student), question.answer_ids)
        prompt = self._prompt(question.text)
        teacher = None
        if self.config.optimization.loss == "kl":
            teacher = tuple(self._prompt(question.text, document))
        answer = (*self.base.encode_text(question.answers[0]), self.end_of_answer)
        return Segment(tuple(prompt), answer, teacher_prompt=teacher)

    def _prompt(self, question: str, document: str | None = None) -> list[int]:
        chat = question_messages(question, document)
        if self.config.hypernetwork.system_turn:
            chat = with_system_turn(chat)
        return build_prompt_ids(self.base.tokenizer, chat)

    def _count_tokens(self, text: str) -> int:
        return len(self.encoder.encode_text(text))


def draw_num_chunks(
    rng: random.Random, num_tokens: int, *, probabilities: Sequence[float], min_tokens: int, max_tokens: int
) -> int:
    """Draw the number of chunks of a context among those that make chunks neither too short nor too long.

    Args:
        rng: random number generator.
        num_tokens: length of the context with one chunk's affixes.
        probabilities: of 1, 2, 3 ... chunks.
        min_tokens: shortest chunk.
        max_tokens: longest chunk; if no number in the list is sufficient, the result is the smallest sufficient number.
    """
    least, most = max(1, math.ceil(num_tokens / max_tokens)), max(1, math.ceil(num_tokens / min_tokens))
    feasible = {n: p for n, p in enumerate(probabilities, 1) if least <= n <= most and p}
    if not feasible:
        return least
    return rng.choices(list(feasible), weights=list(feasible.values()))[0]
