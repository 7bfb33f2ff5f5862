"""Loaded models for tests of what builds on them: a random one, and one that reads."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from tiny import tiny_associative_config, tiny_base

from lorify.adapters import Adapter, AdapterStack, LoraPair, Provenance
from lorify.answering.answerer import Answer, Answerer
from lorify.answering.plan import AnswerPlan
from lorify.base.model import BaseLM
from lorify.facade import Lorify
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeHypernetwork


def tiny_lorify() -> Lorify:
    """A random base with a random hypernetwork; its answers mean nothing."""
    base = tiny_base()
    config = tiny_associative_config(base, 64)
    torch.manual_seed(1)
    return Lorify(
        base,
        AssociativeInternalizer(
            base, config, AssociativeHypernetwork(config).eval().to(base.device), name="tiny", digest="d1"
        ),
    )


@dataclass(frozen=True, eq=False)
class TextAdapter(Adapter):
    """Stands in for an adapter: it holds the text of its documents."""

    text: str = ""

    @property
    def num_bytes(self) -> int:
        return 7


def text_adapter(text: str) -> TextAdapter:
    provenance = Provenance(base_name="tiny", base_digest="d", hypernetwork="reader", lorify_version="1")
    weights = {(0, "down_proj"): LoraPair(torch.zeros(1, 96), torch.zeros(48, 1))}
    return TextAdapter(weights, 1.0, provenance, text=text)


class ReadingAnswerer(Answerer):
    """Finds the number of a haystack, knows one document, else says 'hm'; keeps the questions it was asked."""

    def __init__(self, base: BaseLM) -> None:
        super().__init__(base)
        self.asked: list[str] = []

    def plan(self, requests):
        return [AnswerPlan(r.prompt_ids, r.adapters if self._is_on(r) else AdapterStack()) for r in requests]

    def answer(self, plans, options, *, with_confidence=False):
        return [self._answer(plan) for plan in plans]

    def _is_on(self, request) -> bool:
        return "mill" in request.question or "number" in request.question or not request.only_if_relevant

    def _answer(self, plan: AnswerPlan) -> Answer:
        document, _, question = self.base.decode_text(plan.prompt_ids).rpartition("\n\n")
        self.asked.append(question)
        texts = [adapter.text for adapter in plan.adapters.adapters if isinstance(adapter, TextAdapter)]
        text = "".join(texts) or document
        if not text:
            return Answer("hm", plan.is_on)
        return Answer("nine" if "mill" in text else text.split("magic number is ")[1][:4], plan.is_on)


class Reader(Lorify):
    """A model whose adapters are the texts of their documents."""

    internalizer = SimpleNamespace(name="reader", digest="d")
    answerer: ReadingAnswerer

    def __init__(self) -> None:
        base = tiny_base()
        super().__init__(base, None)
        self.answerer = ReadingAnswerer(base)

    def internalize(self, *sources, keep="tokens", report=None):
        return text_adapter("\n".join(source.text for source in sources))
