"""How questions are answered: methods, each a way to bring a context to the base. A method knows nothing of suites.

A method first takes in a case's documents (its update), and then says for each question what the base is asked with:
an adapter, a text before the question, both or nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field
from snowballstemmer import stemmer

from lorify.adapters import Adapter
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import Document, document_from_text
from lorify.errors import EvaluationError
from lorify.evaluation.distillation import blank_adapter, build_lessons, distill, generate_questions
from lorify.evaluation.specs import Spec, parse_spec
from lorify.evaluation.suites import BATCH_ROWS, Case
from lorify.facade import Lorify

SEPARATOR = "\n\n"
CUT = "\n...\n"
# The ends of a cut text may be split into tokens a little differently than inside the whole.
SLACK_TOKENS = 16


@dataclass(frozen=True)
class Prompt:
    """What a question is asked with: an adapter, a text before the question, both or nothing."""

    adapter: Adapter | None = None
    document: str | None = None


@dataclass(frozen=True)
class Knowledge:
    """What a method holds after its update.

    Attributes:
        prompt_for: question -> what it is asked with; retrieval and gating happen here.
        adapter: the adapter, if the method has one.
    """

    prompt_for: Callable[[str], Prompt]
    adapter: Adapter | None = None


Update = Callable[[Case], Knowledge]
"""A method that is ready: takes in a case's documents."""


class Method(Spec):
    """A kind of method and its options."""

    needs_hypernetwork: ClassVar[bool] = False

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Get ready; what is loaded here is not counted as update.

        Args:
            model: base and hypernetwork.
            max_new_tokens: longest answer, which the prompt must leave room for.

        Raises:
            EvaluationError: if something that the method needs is not installed.
        """
        raise NotImplementedError


class NoContext(Method):
    """The bare base."""

    name = "none"

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""
        return lambda case: Knowledge(lambda question: Prompt())


class InContext(Method):
    """The documents in the prompt, cut in the middle where they do not fit the base's window."""

    name = "icl"

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> Knowledge:
            text = SEPARATOR.join(case.documents)
            return Knowledge(lambda question: Prompt(document=fit_document(model, text, question, max_new_tokens)))

        return update


class Internalized(Method):
    """The adapter that the hypernetwork writes in one forward pass."""

    name = "adapter"
    needs_hypernetwork = True
    only_if_relevant: bool = Field(True, description="Leave questions that do not concern the documents to the base.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> Knowledge:
            adapter = model.internalize(*case_documents(case))
            return adapter_knowledge(model, adapter, gate=adapter if self.only_if_relevant else None)

        return update


class Retrieval(Method):
    """The chunks that share most words with the question (BM25), in the prompt."""

    name = "rag"
    chunks: int = Field(3, ge=1, description="Number of chunks in the prompt.")
    chunk_tokens: int = Field(128, ge=8, description="Longest chunk, in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> Knowledge:
            text = SEPARATOR.join(case.documents)
            ids = split_into_chunks(text, model.base.tokenizer, self.chunk_tokens)
            retrieve = build_retriever([model.base.decode_text(chunk).strip() for chunk in ids])

            def prompt_for(question: str) -> Prompt:
                found = SEPARATOR.join(retrieve(question, self.chunks))
                return Prompt(document=fit_document(model, found, question, max_new_tokens))

            return Knowledge(prompt_for)

        return update


class Llmlingua2(Method):
    """The documents in the prompt, compressed by LLMLingua-2."""

    name = "llmlingua2"
    rate: float = Field(0.4, gt=0, le=1, description="Share of the tokens to keep.")
    model: str = Field(
        "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank",
        description="Compressor: Hugging Face id or folder.",
    )

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Load the compressor."""
        compressor = _load_compressor(self.model, str(model.base.device))

        def update(case: Case) -> Knowledge:
            result = compressor.compress_prompt(list(case.documents), rate=self.rate, force_tokens=["\n", "?"])
            text = result["compressed_prompt"]
            return Knowledge(lambda question: Prompt(document=fit_document(model, text, question, max_new_tokens)))

        return update


class Distilled(Method):
    """Context distillation: a LoRA trained for each document by gradient descent, from nothing."""

    name = "cd"
    queries: int = Field(16, ge=1, description="Number of questions that the base makes from the document.")
    oracle: bool = Field(False, description="Train on the very questions that are asked, instead.")
    steps: int = Field(50, ge=0, description="At most this many gradient steps.")
    seconds: float | None = Field(None, gt=0, description="Longest update in seconds, questions and answers included.")
    batch: int = Field(4, ge=1, description="Questions a step.")
    rank: int = Field(8, ge=1, description="Rank of the LoRA (`cd` only).")
    learning_rate: float = Field(0.1, gt=0, description="Size of a step, relative to each matrix.")
    answer_tokens: int = Field(32, ge=1, description="Longest answer of the teacher, in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> Knowledge:
            started = time.perf_counter()
            blank = blank_adapter(model.base, self.rank, case_documents(case))
            return adapter_knowledge(model, self.train(model, case, blank, started), gate=None)

        return update

    def train(self, model: Lorify, case: Case, start: Adapter, started: float) -> Adapter:
        """The trained adapter; of the time that is left, the questions get a half at most."""
        deadline = None if self.seconds is None else started + self.seconds
        lesson_deadline = None if deadline is None else (time.perf_counter() + deadline) / 2
        text = SEPARATOR.join(case.documents)
        asked = [question.text for question in case.questions]
        if not self.oracle:
            asked = generate_questions(model.base, text, self.queries)
        longest = max(asked, key=lambda question: len(model.base.encode_text(question)))
        fitting = fit_document(model, text, longest, self.answer_tokens)
        lessons = build_lessons(model.base, fitting, asked, answer_tokens=self.answer_tokens, deadline=lesson_deadline)
        return distill(
            model.base,
            lessons,
            start,
            num_steps=self.steps,
            deadline=deadline,
            learning_rate=self.learning_rate,
            batch_rows=self.batch,
        )


class Refined(Distilled):
    """The hypernetwork's adapter, then context distillation from there."""

    name = "adapter+refine"
    needs_hypernetwork = True
    learning_rate: float = Field(0.02, gt=0, description="Size of a step, relative to each matrix.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> Knowledge:
            started = time.perf_counter()
            generated = model.internalize(*case_documents(case))
            return adapter_knowledge(model, self.train(model, case, generated, started), gate=generated)

        return update


METHODS: dict[str, type[Method]] = {
    kind.name: kind for kind in (NoContext, InContext, Internalized, Retrieval, Distilled, Refined, Llmlingua2)
}


def parse_methods(text: str) -> list[Method]:
    """Read methods from `METHOD,METHOD...`, each `NAME[:option=value...]`.

    Raises:
        EvaluationError: if one does not exist, comes twice, or an option is wrong.
    """
    methods = [parse_spec(part, METHODS, "method") for part in text.split(",") if part.strip()]
    labels = [method.label for method in methods]
    for label in labels:
        if labels.count(label) > 1:
            raise EvaluationError(f"method {label} is given twice; give each once")
    if not methods:
        raise EvaluationError(f"no method is given; choose from {', '.join(METHODS)}")
    return methods


def case_documents(case: Case) -> list[Document]:
    """A case's texts as documents with names."""
    return [document_from_text(text, f"document {i}") for i, text in enumerate(case.documents)]


def adapter_knowledge(model: Lorify, adapter: Adapter, *, gate: Adapter | None) -> Knowledge:
    """What a method holds that has an adapter.

    Args:
        model: base and hypernetwork.
        adapter: the adapter.
        gate: what tells by its documents which questions the adapter is on for; None: all.
    """

    def prompt_for(question: str) -> Prompt:
        is_on = gate is None or model.relevant(gate, question) is not None
        return Prompt(adapter=adapter if is_on else None)

    return Knowledge(prompt_for, adapter)


def ask_together(
    model: Lorify,
    rows: Sequence[tuple[Knowledge, str]],
    max_new_tokens: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Answer questions in batches.

    Args:
        model: base and hypernetwork.
        rows: questions, each with what is known.
        max_new_tokens: longest answer, in tokens.
        report: called with the number of answers since the last call and of all.
    """
    answers: list[str] = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        prompts = [knowledge.prompt_for(question) for knowledge, question in batch]
        answers += model.ask_batch(
            [question for _, question in batch],
            [prompt.adapter for prompt in prompts],
            documents=[prompt.document for prompt in prompts],
            only_if_relevant=False,  # the method has decided that
            max_new_tokens=max_new_tokens,
        )
        report(len(batch), len(rows))
    return answers


def fit_document(model: Lorify, text: str, question: str, max_new_tokens: int) -> str:
    """The text, its middle left out where it does not fit the base's window beside question and answer.

    Raises:
        EvaluationError: if not even the question fits.
    """
    base = model.base
    around = len(build_prompt_ids(base.tokenizer, question_messages(question, CUT)))
    room = base.window_tokens - around - max_new_tokens - SLACK_TOKENS
    if room < 0:
        raise EvaluationError(
            f"question {question[:60]!r}... has {around} tokens with its prompt, which with an answer of "
            f"{max_new_tokens} does not fit the base's window of {base.window_tokens}; leave it out, or allow fewer "
            "tokens for the answer"
        )
    ids = base.encode_text(text)
    if len(ids) <= room:
        return text
    tail = ids[len(ids) - room // 2 :]
    return base.decode_text(ids[: room // 2]) + CUT + base.decode_text(tail)


def build_retriever(chunks: Sequence[str]) -> Callable[[str, int], list[str]]:
    """BM25 over chunks of text, words stemmed.

    Returns:
        A function (question, number of chunks) -> the best chunks, in the order of the text.
    """
    import bm25s  # here, since only this method needs it

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells of every index otherwise
    stem = stemmer("english").stemWords

    def words(texts: list[str]) -> list[list[str]]:
        found = bm25s.tokenize(texts, stopwords="en", stemmer=stem, return_ids=False, show_progress=False)
        assert isinstance(found, list)
        return found

    tokens = words(list(chunks))
    index = bm25s.BM25() if any(tokens) else None
    if index is not None:
        index.index(tokens, show_progress=False)

    def retrieve(question: str, num_chunks: int) -> list[str]:
        asked = words([question])[0]
        scores = index.get_scores(asked) if index is not None and asked else [0.0] * len(chunks)
        best = sorted(range(len(chunks)), key=lambda i: (-scores[i], i))[:num_chunks]
        return [chunks[i] for i in sorted(best)]

    return retrieve


def _load_compressor(name: str, device: str) -> Any:
    try:
        from llmlingua import PromptCompressor  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            "method llmlingua2 needs the package llmlingua, which is not installed; run "
            "`pip install 'lorify[llmlingua]'`, or leave the method out"
        ) from error
    try:
        return PromptCompressor(model_name=name, use_llmlingua2=True, device_map=device)
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EvaluationError(
            f"method llmlingua2: compressor {name} cannot be loaded ({reason}); connect to a network, or give a folder "
            "as llmlingua2:model=DIR"
        ) from error
