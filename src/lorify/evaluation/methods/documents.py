"""How questions are answered: methods, each a way to bring a context to the base. A method knows nothing of suites.

A method first takes in a case's documents (its update), and then says for each question what the base is asked with.
Methods for tasks are in `task_methods.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import Document, document_from_text
from lorify.contexts.images import Context, read_picture
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Method, PreparedCase, Update
from lorify.evaluation.methods.retrieval import load_bm25
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify, load_internalizer
from lorify.hypernets.associative.document_memory import without_tokens
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.outer_products import write_outer_products
from lorify.hypernets.refinement.distillation import (
    QUESTION_REQUEST,
    REFINE_RATE,
    REFINE_ROWS,
    Budget,
    Focus,
    as_refined,
    believed_lessons,
    blank_adapter,
    distill,
    focusing,
    lessons_from_teacher,
    refining_lessons,
)

SEPARATOR = "\n\n"


class NoContext(Method):
    """The bare base."""

    name = "none"
    kinds = ("documents", "tasks", "images")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""
        return lambda case: PreparedCase(Query)


class InContext(Method):
    """The documents in the prompt, cut in the middle where they do not fit the base's window."""

    name = "icl"

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> PreparedCase:
            text = SEPARATOR.join(case.documents)
            return prepared_text(model.answerer, lambda question: text, max_new_tokens)

        return update


class Internalized(Method):
    """The adapter that a hypernetwork writes in one forward pass."""

    name = "adapter"
    kinds = ("documents", "images")
    only_if_relevant: bool = Field(True, description="Leave questions that do not concern the documents to the base.")
    focus: bool = Field(True, description="An adapter for each question, from what answers it, or the same for all.")
    hypernetwork: Path | None = Field(None, description="Folder of another hypernetwork of the same base.")

    @property
    def needs(self) -> CaseKind | None:
        """The hypernetwork for documents, unless another one is given."""
        return "documents" if self.hypernetwork is None else None

    @property
    def own_hypernetwork(self) -> Path | None:
        """The other hypernetwork, if one is given."""
        return self.hypernetwork

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Load the other hypernetwork, if there is one."""
        if self.hypernetwork is not None:
            model = Lorify(model.base, load_internalizer(model.base, self.hypernetwork))

        def update(case: Case) -> PreparedCase:
            adapter = model.internalize(*case_contexts(case))
            if not self.focus:
                adapter = without_tokens(adapter)
            return prepared_adapter(adapter, only_if_relevant=self.only_if_relevant, answerer=model.answerer)

        return update


class OuterProducts(Method):
    """The memory without its solve: a scaled sum of outer products of keys and values (an ablation).

    The form of Generative Adapter (arXiv 2411.05877): `B = s M / (tr(S) / r + lambda)` in place of
    `s (S + lambda)^-1 M`. The hypernetwork was not trained for it, so this says what the solve is worth to the trained
    network, not what that paper's own training would reach.
    """

    name = "outer"
    uses = "documents"

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> PreparedCase:
            solved = model.internalize(*case_documents(case))
            if not isinstance(model.internalizer, AssociativeInternalizer):
                raise EvaluationError(f"method outer needs an associative hypernetwork, not {model.internalizer.name}")
            adapter = write_outer_products(model.internalizer, solved)
            # What the hypernetwork kept of the documents still decides which questions the adapter is on for.
            asked = replace(adapter, statistics=solved.statistics)
            return replace(prepared_adapter(asked, only_if_relevant=True, focus=False), adapter=adapter)

        return update


class Retrieval(Method):
    """The chunks that share most words with the question (BM25), in the prompt."""

    name = "rag"
    chunks: int = Field(3, ge=1, description="Number of chunks in the prompt.")
    chunk_tokens: int = Field(128, ge=8, description="Longest chunk, in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Load the retriever's package."""
        build_retriever = load_bm25()

        def update(case: Case) -> PreparedCase:
            text = SEPARATOR.join(case.documents)
            ids = split_into_chunks(text, model.base.tokenizer, self.chunk_tokens)
            retrieve = build_retriever([model.base.decode_text(chunk).strip() for chunk in ids])

            def find(question: str) -> str:
                return SEPARATOR.join(retrieve(question, self.chunks))

            return prepared_text(model.answerer, find, max_new_tokens)

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

        def update(case: Case) -> PreparedCase:
            result = compressor.compress_prompt(list(case.documents), rate=self.rate, force_tokens=["\n", "?"])
            text = result["compressed_prompt"]
            return prepared_text(model.answerer, lambda question: text, max_new_tokens)

        return update


class Distilled(Method):
    """Context distillation: a LoRA trained for each document by gradient descent, from nothing."""

    name = "cd"
    lessons: Literal["generated", "oracle", "statements"] = Field(
        "generated",
        description="What is learned: the base's answers, with the document in its prompt, to questions that it made "
        "(generated) or to those that will be asked (oracle); or words of the document's sentences, as answers to "
        "questions that are made for them (statements).",
    )
    queries: int = Field(16, ge=1, description="Number of generated questions.")
    steps: int = Field(50, ge=0, description="At most this many gradient steps.")
    seconds: float | None = Field(None, gt=0, description="Longest update in seconds, questions and answers included.")
    batch: int = Field(4, ge=1, description="Questions a step.")
    rank: int = Field(8, ge=1, description="Rank of the LoRA (`cd` only).")
    learning_rate: float = Field(0.1, gt=0, description="Size of a step, relative to each matrix.")
    answer_tokens: int = Field(32, ge=1, description="Longest answer of the teacher, in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> PreparedCase:
            budget = Budget(self.steps, self.seconds)
            blank = blank_adapter(model.base, self.rank, case_documents(case))
            trained = self.train(model, case, blank, budget, learn_A=True)
            return prepared_adapter(trained, only_if_relevant=False)

        return update

    def train(
        self, model: Lorify, case: Case, start: Adapter, budget: Budget, *, learn_A: bool, focus: Focus | None = None
    ) -> Adapter:
        """The trained adapter."""
        if self.lessons == "statements":
            lessons = refining_lessons(
                model.base, case.documents, budget, prompts=model.answerer.prompts, writer=model.question_writer
            )
            if not learn_A and model.question_writer is not None:  # what a hypernetwork wrote can judge them
                lessons = believed_lessons(model.base, lessons, start, focus=focus)
        else:
            asked = [question.text for question in case.questions] if self.lessons == "oracle" else None
            longest = max(asked or [QUESTION_REQUEST], key=lambda question: len(model.base.encode_text(question)))
            fitting = fit_document(model.answerer, SEPARATOR.join(case.documents), longest, self.answer_tokens)
            lessons = lessons_from_teacher(
                model.base,
                fitting,
                asked,
                prompts=model.answerer.prompts,
                num_questions=self.queries,
                answer_tokens=self.answer_tokens,
                deadline=budget.half_way(),
            )
        return distill(
            model.base,
            lessons,
            start,
            budget=budget,
            learning_rate=self.learning_rate,
            batch_rows=self.batch,
            learn_A=learn_A,
            focus=focus,
        )


class Refined(Distilled):
    """The hypernetwork's adapter, then gradient descent from there."""

    name = "adapter+refine"
    uses = "documents"
    lessons: Literal["generated", "oracle", "statements"] = Field(
        "statements", description="What is learned, as for `cd`."
    )
    batch: int = Field(REFINE_ROWS, ge=1, description="Questions a step.")
    learning_rate: float = Field(REFINE_RATE, gt=0, description="Size of a step, relative to each matrix.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> PreparedCase:
            generated = model.internalize(*case_documents(case))
            budget = Budget(self.steps, self.seconds)
            focus = focusing(model.internalizer)
            trained = self.train(model, case, generated, budget, learn_A=False, focus=focus)
            return prepared_adapter(as_refined(trained, generated, budget), only_if_relevant=True)

        return update


def case_documents(case: Case) -> list[Document]:
    """A case's texts as documents with names."""
    return [document_from_text(text, f"document {i}") for i, text in enumerate(case.documents)]


def case_contexts(case: Case) -> list[Context]:
    """A case's texts and images, each with a name."""
    pictures = [read_picture(image, name=f"image {i}") for i, image in enumerate(case.images)]
    return [*case_documents(case), *pictures]


def prepared_adapter(
    adapter: Adapter, *, only_if_relevant: bool, focus: bool = True, answerer: Answerer | None = None
) -> PreparedCase:
    """Prepare a case whose questions are asked with an adapter.

    Args:
        adapter: the adapter.
        only_if_relevant: leave questions that are not about its documents to the bare base.
        focus: focus the adapter on each question.
        answerer: answers the questions; None: the loaded one.
    """
    stack = AdapterStack.of(adapter)
    return PreparedCase(
        lambda question: Query(question, stack, only_if_relevant=only_if_relevant, focus=focus),
        adapter,
        answerer=answerer,
    )


def prepared_text(answerer: Answerer, text_for: Callable[[str], str], max_new_tokens: int) -> PreparedCase:
    """Prepare a case whose questions are asked with a text in the prompt.

    Args:
        answerer: builds the prompts.
        text_for: question -> the text, which is cut in the middle if it does not fit.
        max_new_tokens: maximum length of an answer, in tokens.
    """

    def query_for(question: str) -> Query:
        return Query(question, document=fit_document(answerer, text_for(question), question, max_new_tokens))

    return PreparedCase(query_for)


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
