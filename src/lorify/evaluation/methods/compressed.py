"""Prompt compression by LLMLingua-2, a documented baseline."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lorify.errors import EvaluationError, first_line
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.in_prompt import prepare_text
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify


class Llmlingua2(Method):
    """The documents in the prompt, compressed by LLMLingua-2."""

    name = "llmlingua2"
    rate: float = Field(0.4, gt=0, le=1, description="Share of the tokens to keep.")
    model: str = Field(
        "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank",
        description="Compressor: Hugging Face id or folder.",
    )

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the compressor."""
        compressor = _load_compressor(self.model, str(model.base.device))

        def ingest(case: Case) -> PreparedCase:
            result = compressor.compress_prompt(list(case.documents), rate=self.rate, force_tokens=["\n", "?"])
            text = result["compressed_prompt"]
            return prepare_text(model.answerer, lambda question: text, max_new_tokens)

        return ingest


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
        reason = first_line(error)
        raise EvaluationError(
            f"method llmlingua2: compressor {name} cannot be loaded ({reason}); connect to a network, or give a folder "
            "as llmlingua2:model=DIR"
        ) from error
