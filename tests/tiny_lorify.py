"""Loaded models for tests of what builds on them: a random one, and one that reads."""

from dataclasses import dataclass, field

import torch
from tiny import tiny_associative_config, tiny_base

from lorify.adapters import AdapterStack
from lorify.facade import Lorify
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeHypernetwork


def tiny_lorify() -> Lorify:
    """A random base with a random hypernetwork; its answers mean nothing."""
    base = tiny_base()
    config = tiny_associative_config(base, 64)
    torch.manual_seed(1)
    return Lorify(
        base, AssociativeInternalizer(base, config, AssociativeHypernetwork(config).eval(), name="tiny", digest="d1")
    )


@dataclass
class Reader:
    """Stands in for a loaded model: finds the number of a haystack, knows one document, else says 'hm'."""

    base: object = field(default_factory=tiny_base)
    asked: list[str] = field(default_factory=list)

    def internalize(self, *documents):
        return _Text("\n".join(document.text for document in documents))

    def ask(self, question, **options):
        return self.ask_batch([question], [None], **options)[0]

    def ask_batch(self, questions, adapters, *, documents=None, turns=None, only_if_relevant=True, max_new_tokens):
        self.asked += questions
        texts = documents or [None] * len(questions)
        return [self._answer(a.text if a else text) for a, text in zip(adapters, texts, strict=True)]

    def for_question(self, adapter, question, *, only_if_relevant=True, focus=True):
        return adapter if "mill" in question or "number" in question or not only_if_relevant else AdapterStack()

    def _answer(self, text):
        if text is None:
            return "hm"
        return "nine" if "mill" in text else text.split("magic number is ")[1][:4]


@dataclass(frozen=True)
class _Text:
    """What the reader has in place of an adapter."""

    text: str
    num_bytes: int = 7
    statistics: None = None
    is_empty: bool = False
