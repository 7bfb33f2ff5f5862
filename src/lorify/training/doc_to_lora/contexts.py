"""The contexts that a Perceiver run reads from files before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import context_affixes
from lorify.data.examples import Example
from lorify.data.self_generated.published import ChatTokens
from lorify.data.self_generated.sets import SelfGeneratedSets, load_sets
from lorify.data.sources.images import digit_examples, load_image_examples, split_by_image
from lorify.data.sources.questions import load_question_examples
from lorify.data.sources.splits import split_by_passage
from lorify.errors import TrainingError
from lorify.hypernets.doc_to_lora.training_config import PerceiverData
from lorify.training.doc_to_lora.mixture import ByContext, ByQuestion, ContextSource, ListedShard

Contexts = Mapping[str, Sequence[Example]]
"""Contexts by kind, which is a field of `PerceiverData` that gives its share."""


@dataclass(frozen=True)
class LoadedContexts:
    """Contexts that do not depend on the base.

    Attributes:
        train: to train on.
        heldout: to evaluate on.
    """

    train: Contexts
    heldout: Contexts


def load_contexts(data: PerceiverData) -> LoadedContexts:
    """Read passages and images; a kind without a share has none.

    Raises:
        LorifyError: if a file cannot be read.
    """
    passages, heldout_passages = [], []
    if data.questions_path is not None and data.questions:
        passages, heldout_passages = split_by_passage(
            load_question_examples(
                data.questions_path, max_context_chars=data.max_context_chars, max_answer_chars=data.max_answer_chars
            )
        )
    images, heldout_images = [], []
    if data.images_path is not None and data.images:
        images, heldout_images = split_by_image(load_image_examples(data.images_path, question=data.images_question))
    digits, heldout_digits = (digit_examples(), digit_examples(heldout=True)) if data.digits else ([], [])
    return LoadedContexts(
        {"questions": passages, "images": images, "digits": digits},
        {"questions": heldout_passages, "images": heldout_images, "digits": heldout_digits},
    )


def add_self_generated(loaded: LoadedContexts, data: PerceiverData, base: BaseLM) -> LoadedContexts:
    """Add the contexts with the base's own answers, and check that every kind with a share has contexts.

    Raises:
        LorifyError: if the data cannot be read or was generated with another base.
        TrainingError: if a kind with a share has too few contexts for a held-out part.
    """
    train, heldout = SelfGeneratedSets(), SelfGeneratedSets()
    if data.self_generated_path is not None and data.self_generated:
        chat = ChatTokens(base.tokenizer, *context_affixes(base.tokenizer, system_turn=True))
        patterns = data.self_generated_files
        train, heldout = load_sets(data.self_generated_path, base.digest, chat, patterns=patterns).split()
    complete = LoadedContexts(
        {**loaded.train, "self_generated": train}, {**loaded.heldout, "self_generated": heldout}
    )  # fmt: skip
    for kind, examples in complete.heldout.items():
        if getattr(data, kind) and not (examples and complete.train[kind]):
            path = getattr(data, f"{kind}_path")
            raise TrainingError(f"{path} has too few contexts to hold some out; give at least a few dozen")
    return complete


def context_sources(contexts: Contexts, data: PerceiverData) -> Mapping[str, ContextSource]:
    """Return how the contexts of each kind are drawn: according to `data.sampling`, but images always by context."""
    sources: dict[str, ContextSource] = {kind: ByContext(listed) for kind, listed in contexts.items()}
    if data.sampling == "contexts":
        return sources
    stored, passages = contexts.get("self_generated"), contexts.get("questions")
    if isinstance(stored, SelfGeneratedSets):
        sources["self_generated"] = ByQuestion(stored.sets)
    if passages:
        sources["questions"] = ByQuestion([ListedShard(passages)])
    return sources
