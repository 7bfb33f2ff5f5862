"""Methods that put the documents, or parts of them, into the prompt; and the bare base model."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.contexts.chunking import split_into_chunks
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.bm25 import load_bm25
from lorify.evaluation.methods.contexts import SEPARATOR, joined_documents
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify


def prepare_text(answerer: Answerer, text_for: Callable[[str], str], max_new_tokens: int) -> PreparedCase:
    """Prepare a case whose questions are asked with a text in the prompt.

    Args:
        answerer: builds the prompts.
        text_for: returns the text for a question; it is cut in the middle if it does not fit.
        max_new_tokens: maximum answer length in tokens.
    """

    def query_for(question: str) -> Query:
        return Query(question, document=fit_document(answerer, text_for(question), question, max_new_tokens))

    return PreparedCase(query_for)


class NoContext(Method):
    """The bare base model."""

    name = "none"
    kinds = ("documents", "tasks", "images")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that ignores the context."""
        return lambda case: PreparedCase(Query)


class InContext(Method):
    """The documents in the prompt, cut in the middle if they do not fit into the context window."""

    name = "icl"

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that joins the documents."""

        def ingest(case: Case) -> PreparedCase:
            text = joined_documents(case)
            return prepare_text(model.answerer, lambda question: text, max_new_tokens)

        return ingest


class Retrieval(Method):
    """The chunks that match the question best (BM25) in the prompt."""

    name = "rag"
    chunks: int = Field(3, ge=1, description="Number of chunks in the prompt.")
    chunk_tokens: int = Field(128, ge=8, description="Maximum chunk length in tokens.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the retriever."""
        build_retriever = load_bm25()

        def ingest(case: Case) -> PreparedCase:
            ids = split_into_chunks(joined_documents(case), model.base.tokenizer, self.chunk_tokens)
            retrieve = build_retriever([model.base.decode_text(chunk).strip() for chunk in ids])

            def find(question: str) -> str:
                return SEPARATOR.join(retrieve(question, self.chunks))

            return prepare_text(model.answerer, find, max_new_tokens)

        return ingest
