"""Methods whose adapter a hypernetwork generates from the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.contexts.images import Context
from lorify.data.answers import NOT_STATED
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_contexts, case_documents
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify
from lorify.hypernets.internalizer import Keep
from lorify.hypernets.options import BiasScale, ChunkTokens, InternalizerOptions, Iterative
from lorify.loading import load_for


def prepare_adapter(
    adapter: Adapter,
    *,
    only_if_relevant: bool,
    focus: bool = True,
    answerer: Answerer | None = None,
    not_stated: str | None = None,
    grounded: bool = False,
    may_quote: bool = True,
) -> PreparedCase:
    """Prepare a case whose questions are asked with an adapter.

    Args:
        adapter: the adapter.
        only_if_relevant: leave questions that are not about its documents to the bare base model.
        focus: focus the adapter on each question.
        answerer: answers the questions; None: the loaded model.
        not_stated: reply in place of an answer that the documents do not state; None gives any answer.
        grounded: reply it also to questions that have nothing to do with the documents.
        may_quote: answer with words of the documents where that fits the question.
    """
    stack = AdapterStack.of(adapter)
    query = Query(
        "",
        stack,
        only_if_relevant=only_if_relevant,
        focus=focus,
        not_stated=not_stated,
        grounded=grounded,
        may_quote=may_quote,
    )
    return PreparedCase(lambda question: replace(query, question=question), adapter, answerer=answerer)


def internalize_and_study(
    model: Lorify, contexts: Sequence[Context], seconds: float | None, keep: Keep = "tokens"
) -> Adapter:
    """Internalize documents or images, study them for some seconds unless that is None, and drop what is not kept."""
    if seconds is None:
        return model.internalize(*contexts, keep=keep)
    studied = model.study(model.internalize(*contexts), *contexts, seconds=seconds)
    return model.internalizer.reduce(studied, keep)


class Internalized(Method):
    """The adapter that a hypernetwork generates in one forward pass."""

    name = "adapter"
    kinds = ("documents", "images")
    only_if_relevant: bool = Field(
        True, description="Leave questions that are not about the documents to the base model."
    )
    focus: bool = Field(True, description="Focus the adapter on each question, instead of using one for all.")
    keep: Keep | None = Field(
        None,
        description="What is kept of the documents' tokens: tokens, index or none. Default: tokens with focus, else "
        "none.",
    )
    study: float | None = Field(None, gt=0, description="Seconds of study, which unfocused answers gain from.")
    decline: bool = Field(False, description="Say so where the documents do not state an answer.")
    grounded: bool = Field(
        False, description="Decline questions that have nothing to do with the documents too; implies decline."
    )
    quote: bool = Field(
        True, description="Answer with words of the documents where that fits, instead of the adapter's own words."
    )
    hypernetwork: Path | None = Field(None, description="Folder of another hypernetwork for the same base model.")
    chunk_tokens: ChunkTokens = None
    iterative: Iterative = None
    bias_scale: BiasScale = None

    @property
    def needs(self) -> CaseKind | None:
        """The loaded hypernetwork for documents, unless another one is given."""
        return "documents" if self.hypernetwork is None else None

    @property
    def own_hypernetwork(self) -> Path | None:
        """The other hypernetwork, if one is given."""
        return self.hypernetwork

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the other hypernetwork, if one is given."""
        if self.hypernetwork is not None:
            model = load_for(model.base, self.hypernetwork)
        options = InternalizerOptions(
            chunk_tokens=self.chunk_tokens, iterative=self.iterative, bias_scale=self.bias_scale
        )
        if options.chosen:
            model = model.with_options(options)
        # Unfocused answers need no tokens, and their size should not count.
        keep = self.keep or ("tokens" if self.focus else "none")

        def ingest(case: Case) -> PreparedCase:
            contexts = case_contexts(case)
            adapter = internalize_and_study(model, contexts, self.study, keep)
            return prepare_adapter(
                adapter,
                only_if_relevant=self.only_if_relevant,
                answerer=model.answerer,
                not_stated=NOT_STATED if self.decline or self.grounded else None,
                grounded=self.grounded,
                may_quote=self.quote,
            )

        return ingest


class OuterProducts(Method):
    """The associative memory without its solve: a scaled sum of outer products of keys and values (ablation).

    This is the form of Generative Adapter: `B = s M / (tr(S) / r + lambda)` in place of `s (S + lambda)^-1 M`. The
    hypernetwork was not trained for it, so the score shows what the solve contributes to the trained network, not what
    the training of that paper would reach.

    Source: Generative Adapter, arXiv 2411.05877.
    """

    name = "outer"
    uses = "documents"

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that internalizes the documents and rewrites the adapter."""
        rewrite = model.internalizer.write_outer_products
        if rewrite is None:
            raise EvaluationError(
                f"method outer needs a hypernetwork that solves for its adapters, and {model.internalizer.name} does "
                "not; leave the method out"
            )

        def ingest(case: Case) -> PreparedCase:
            solved = model.internalize(*case_documents(case))
            adapter = rewrite(solved)
            # The statistics of the solved adapter still decide which questions the adapter is on for.
            asked = replace(adapter, statistics=solved.statistics)
            return replace(prepare_adapter(asked, only_if_relevant=True, focus=False), adapter=adapter)

        return ingest
