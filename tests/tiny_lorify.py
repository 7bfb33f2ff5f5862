"""Loaded models for tests of what builds on them: a random one, and one that reads."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import torch
from tiny import tiny_associative_config, tiny_base

from lorify.adapters import Adapter, AdapterStack, LoraPair, Provenance
from lorify.answering.answerer import Answer, Answerer
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.calibration.stated import StatedModel
from lorify.answering.plan import AnswerPlan
from lorify.base.model import BaseLM
from lorify.facade import Lorify
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.relevance import Relevance


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


_FITTED = {"hypernetwork_digest": "d1", "bias": 9.0, "threshold": 0.5, "auroc": 0.9, "questions": 9}
SURE = ConfidenceModel(weights=(0.0, 0.0), **_FITTED)
STATED = StatedModel(weights=(0.0,) * 4, **_FITTED)


def judging_lorify(
    confidence_model: ConfidenceModel | None = SURE, stated_model: StatedModel | None = STATED
) -> Lorify:
    """A random model whose adapters are on for all questions; it takes its answers for right and stated."""
    tiny = tiny_lorify()
    internalizer = replace(tiny.internalizer, relevance=Relevance(threshold=0.0, unseen_weight=1.0, weights={}))
    return Lorify(tiny.base, internalizer, confidence_model=confidence_model, stated_model=stated_model)


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


class ForwardPasses:
    """Counts the forward passes of a base and of the reader of its hypernetwork, inside a `with` block.

    Attributes:
        base: passes of the base, also those through its first blocks alone.
        reader: passes of the reader.
    """

    def __init__(self, answerer: Answerer) -> None:
        self.base = self.reader = 0
        self._block = answerer.base.decoder.layers[0]
        self._reader = answerer.internalizer.hypernetwork.reader

    def __enter__(self) -> "ForwardPasses":
        def count_base(*_: object) -> None:
            self.base += 1

        def count_reader(*_: object) -> None:
            self.reader += 1

        hooks = ((self._block, count_base), (self._reader, count_reader))
        self._handles = [module.register_forward_hook(count) for module, count in hooks]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
