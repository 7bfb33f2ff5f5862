"""Methods that put the documents, or parts of them, into the prompt; and the bare base model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.base.chat.prompts import Message, question_messages
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.bm25 import load_bm25
from lorify.evaluation.methods.contexts import SEPARATOR, joined_documents
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

SHOTS = (
    ("The ferry leaves from pier 3. The crossing takes 50 minutes.", "How long is the crossing?", "50 minutes"),
    ("Rosa Lindqvist ran the bakery until 1987, when her nephew Emil took over.", "Who took over the bakery?", "Emil"),
    ("Members pay 40 euros a year. Pupils may join without paying.", "Do pupils have to pay?", "no"),
    ("The mill burned down because lightning struck it.", "Why did the mill burn down?", "lightning struck it"),
)  # fmt: skip
"""Short documents with a question and its answer, which show a base the form of the answers that are scored."""


class NoContext(Method):
    """The bare base model."""

    name = "none"
    kinds = ("documents", "tasks", "images", "document_tasks")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that ignores the context."""
        return lambda case: PreparedCase(Query)


class PromptMethod(Method):
    """Base class: a text in the prompt, read by the bare base, with examples, or with a LoRA trained for it."""

    shots: int = Field(0, ge=0, le=len(SHOTS), description="Number of examples before the question, as turns.")
    lora: Path | None = Field(
        None, description="Adapter folder of a LoRA that is on for all questions (`best` of a run of kind prompt)."
    )

    def text_finder(self, model: Lorify, case: Case) -> Callable[[str], str]:
        """Return a function that finds the text to put in the prompt for a question."""
        raise NotImplementedError

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the LoRA, if one is given."""
        turns = [
            turn
            for document, question, answer in SHOTS[: self.shots]
            for turn in (*question_messages(question, document), Message(role="assistant", content=answer))
        ]
        stack = AdapterStack()
        if self.lora is not None:
            stack = AdapterStack.of(model.load_adapter(self.lora))

        def ingest(case: Case) -> PreparedCase:
            find = self.text_finder(model, case)
            return prepare_text(model.answerer, find, max_new_tokens, turns=tuple(turns), adapters=stack)

        return ingest


def prepare_text(
    answerer: Answerer,
    text_for: Callable[[str], str],
    max_new_tokens: int,
    *,
    turns: tuple[Message, ...] = (),
    adapters: AdapterStack | None = None,
) -> PreparedCase:
    """Prepare a case whose questions are asked with a text in the prompt.

    Args:
        answerer: builds the prompts.
        text_for: returns the text for a question; it is cut in the middle if it does not fit.
        max_new_tokens: maximum answer length in tokens.
        turns: turns of the chat before the question.
        adapters: adapters that are on for all questions, unfocused.
    """
    reserved = max_new_tokens + (len(answerer.prompts.chat_ids(turns)) if turns else 0)

    def query_for(question: str) -> Query:
        document = fit_document(answerer, text_for(question), question, reserved)
        return Query(question, adapters or AdapterStack(), document, turns, only_if_relevant=False, focus=False)

    return PreparedCase(query_for)


class InContext(PromptMethod):
    """The documents in the prompt, cut in the middle if they do not fit into the context window."""

    name = "icl"

    def text_finder(self, model: Lorify, case: Case) -> Callable[[str], str]:
        """Return a function that gives the same text, all documents of the case, for every question."""
        text = joined_documents(case)
        return lambda question: text


class Retrieval(PromptMethod):
    """The chunks that match the question best (BM25) in the prompt."""

    name = "rag"
    chunks: int = Field(3, ge=1, description="Number of chunks in the prompt.")
    chunk_tokens: int = Field(128, ge=8, description="Maximum chunk length in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Check that the retriever can be loaded, and load the LoRA, if one is given."""
        load_bm25()
        return super().load(model, max_new_tokens)

    def text_finder(self, model: Lorify, case: Case) -> Callable[[str], str]:
        """Index the chunks of the documents."""
        ids = split_into_chunks(joined_documents(case), model.base.tokenizer, self.chunk_tokens)
        retrieve = load_bm25()([model.base.decode_text(chunk).strip() for chunk in ids])
        return lambda question: SEPARATOR.join(retrieve(question, self.chunks))
