from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FAMILIES
from tiny_internalizer import DOCUMENTS, INTERNALIZER, assert_same_weights, largest_difference, tiny_internalizer

from lorify.adapters import build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.base.generation import generate_batch
from lorify.base.sampling import GenerationOptions
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import document_from_text
from lorify.contexts.features import encode_chunks
from lorify.errors import AdapterError, ContextError, HypernetworkError
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import lora_batch
from lorify.hypernets.associative.relevance import Relevance


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 3))
def test_adding_documents_equals_internalizing_all_at_once(order, first):
    chosen = [DOCUMENTS[i] for i in order]
    grown = INTERNALIZER.add(INTERNALIZER.internalize(chosen[:first]), chosen[first:])
    assert_same_weights(grown, INTERNALIZER.internalize(chosen))


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 3))
def test_removing_documents_equals_never_having_had_them(order, kept):
    chosen = [DOCUMENTS[i] for i in order]
    full = INTERNALIZER.internalize(chosen)
    shrunk = INTERNALIZER.remove(full, [d.name for d in chosen[kept:]])
    assert_same_weights(shrunk, INTERNALIZER.internalize(chosen[:kept]))
    assert largest_difference(full, shrunk) > 1e-4


steps = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.integers(0, 3), st.integers(0, 3)), max_size=6)


@settings(max_examples=12, deadline=None)
@given(steps)
def test_whatever_came_and_went_leaves_no_trace(steps):
    """Adding, replacing and removing in any order gives what building from scratch gives."""
    held = {"doc0": DOCUMENTS[0]}
    adapter = INTERNALIZER.internalize(list(held.values()))
    for action, name, text in steps:
        document = replace(DOCUMENTS[text], name=f"doc{name}")
        if action == "put":
            held[document.name] = document
            adapter = INTERNALIZER.add(adapter, [document])
        elif document.name in held and len(held) > 1:
            del held[document.name]
            adapter = INTERNALIZER.remove(adapter, [document.name])
    assert [record.name for record in adapter.provenance.documents] == list(held)
    assert [record.digest for record in adapter.provenance.documents] == [d.digest for d in held.values()]
    assert_same_weights(adapter, INTERNALIZER.internalize(list(held.values())))


def test_a_document_of_the_same_name_is_replaced():
    adapter = INTERNALIZER.internalize(DOCUMENTS[:2])
    edited = document_from_text("The mill opens at ten.", "doc0")
    replaced = INTERNALIZER.add(adapter, [edited])
    assert_same_weights(replaced, INTERNALIZER.internalize([edited, DOCUMENTS[1]]))
    assert [d.digest for d in replaced.provenance.documents] == [edited.digest, DOCUMENTS[1].digest]


def test_combining_adapters_equals_internalizing_their_documents_together():
    first, second = INTERNALIZER.internalize(DOCUMENTS[:2]), INTERNALIZER.internalize(DOCUMENTS[2:])
    assert_same_weights(INTERNALIZER.combine([(first, 1.0), (second, 1.0)]), INTERNALIZER.internalize(DOCUMENTS))


def test_a_chunk_that_comes_again_counts_every_time():
    """The statistics of repeated chunks are remembered, not recomputed; they must still be added each time."""
    once, twice = (document_from_text("The grass is green. " * n, "x") for n in (1, 8))
    encoded: list[int] = []
    original = AssociativeInternalizer._encode

    def counting(self, chunks):
        encoded.append(len(chunks))
        return original(self, chunks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AssociativeInternalizer, "_encode", counting)
        long = INTERNALIZER.internalize([twice])
    statistics = long.statistics[0]
    short = INTERNALIZER.internalize([once]).statistics[0]
    assert sum(encoded) < long.provenance.documents[0].num_tokens / 16
    assert statistics["S"].diagonal(dim1=-2, dim2=-1).sum() > 4 * short["S"].diagonal(dim1=-2, dim2=-1).sum()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_internalizes_applies_and_generates(family):
    internalizer = tiny_internalizer(family)
    adapter = internalizer.internalize(DOCUMENTS[:1])
    batch = build_lora_batch([adapter, None], internalizer.base)
    prompt = [1, 20, 30, 40]
    with_adapter, without = generate_batch(
        internalizer.base, [prompt, prompt], GenerationOptions(6), lora=batch, stop_ids=set()
    )
    assert len(with_adapter) == len(without) == 6
    bare = generate_batch(internalizer.base, [prompt], GenerationOptions(6), lora=None, stop_ids=set())[0]
    assert without == bare
    ids = torch.tensor([prompt])
    with internalizer.base.hooks.applied(build_lora_batch([adapter], internalizer.base)):
        adapted = internalizer.base.model(ids).logits
    assert not torch.allclose(adapted, internalizer.base.model(ids).logits, atol=1e-4)


@torch.no_grad()
def test_an_adapter_does_what_the_hypernetwork_was_trained_to_do():
    """Ranks of memory and reading part differ, and an adapter's scaling goes by rank: both must come out as trained."""
    base, config, hypernetwork = INTERNALIZER.base, INTERNALIZER.config, INTERNALIZER.hypernetwork
    document = document_from_text("Bees.", "short")
    (chunk,) = split_into_chunks(document.text, base.tokenizer, config.chunk_tokens)
    B = hypernetwork.write(hypernetwork(encode_chunks(base, [chunk], layers=(0, 1), module="down_proj")).statistics())
    ids = torch.tensor([[1, 20, 30, 40]])
    logits = []
    for batch in (
        lora_batch(config, hypernetwork, hypernetwork.shared_A(), B),
        build_lora_batch([INTERNALIZER.internalize([document])], base),
    ):
        with base.hooks.applied(batch):
            logits.append(base.model(ids).logits)
    torch.testing.assert_close(logits[1], logits[0])


def test_refusals_name_the_thing_and_the_way_out():
    with pytest.raises(HypernetworkError, match="made for tiny-llama"):
        tiny_internalizer(digest="other")
    adapter = INTERNALIZER.internalize(DOCUMENTS[:1])
    with pytest.raises(AdapterError, match="it holds doc0"):
        INTERNALIZER.remove(adapter, ["doc9"])
    with pytest.raises(AdapterError, match="no document would be left"):
        INTERNALIZER.remove(adapter, ["doc0"])
    with pytest.raises(ContextError, match="give at least one"):
        INTERNALIZER.internalize([])


def test_an_adapter_concerns_the_documents_that_are_in_it(tmp_path):
    relevance = Relevance(threshold=0.5, unseen_weight=1.0, weights={"the": 0.1, "when": 0.1, "does": 0.1})
    internalizer = replace(tiny_internalizer(reader_width=0), relevance=relevance)  # a reader may find an answer
    both = internalizer.internalize(DOCUMENTS[:2])
    save_adapter(both, tmp_path / "both")
    assert internalizer.is_relevant(load_adapter(tmp_path / "both"), "When does the mill open?")
    assert internalizer.is_relevant(both, "Does Ada keep bees?")
    assert not internalizer.is_relevant(both, "What is the capital of France?")
    without_bees = internalizer.remove(both, ["doc1"])
    assert not internalizer.is_relevant(without_bees, "Does Ada keep bees?")
    assert internalizer.is_relevant(internalizer.add(without_bees, [DOCUMENTS[1]]), "Does Ada keep bees?")


def test_without_word_weights_every_question_concerns_the_adapter():
    assert INTERNALIZER.is_relevant(INTERNALIZER.internalize(DOCUMENTS[:1]), "What is the capital of France?")
