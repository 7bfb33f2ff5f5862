from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FAMILIES
from tiny_internalizer import DOCUMENTS, INTERNALIZER, assert_same_weights, largest_difference, tiny_internalizer

from lorify.adapters import LoraPair, build_lora_batch, load_adapter, save_adapter
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.contexts.encoders.features import encode_chunks
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.errors import AdapterError, ContextError, HypernetworkError
from lorify.hypernets.associative.document_encoder import DocumentEncoder
from lorify.hypernets.associative.network import AssociativeHypernetwork, address_adapters


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


@pytest.mark.parametrize("keep", ["tokens", "index", "none"])
def test_the_weights_of_a_saved_adapter_are_rebuilt_by_the_hypernetwork_that_made_it(tmp_path, keep):
    adapter = INTERNALIZER.reduce(INTERNALIZER.internalize(DOCUMENTS[:2]), keep)
    save_adapter(adapter, tmp_path / "adapter")
    stored = sum(file.stat().st_size for file in (tmp_path / "adapter").iterdir())
    assert stored < adapter.statistics_bytes + 8192  # headers and adapter.json
    loaded = load_adapter(tmp_path / "adapter")
    assert loaded.shapes == adapter.shapes
    assert_same_weights(INTERNALIZER.attach_weights(loaded), adapter)
    with pytest.raises(AdapterError, match=r"hypernetwork that made it, tiny .*--hypernetwork"):
        dict(loaded.weights)


def test_adapters_that_hold_their_weights_are_read_without_a_hypernetwork(tmp_path):
    adapter = INTERNALIZER.internalize(DOCUMENTS[:1])
    save_adapter(adapter.with_held_weights(), tmp_path / "adapter")
    assert_same_weights(load_adapter(tmp_path / "adapter"), adapter)


def test_the_same_weights_follow_from_whatever_is_kept():
    adapter = INTERNALIZER.internalize(DOCUMENTS[:2])
    for keep in ("index", "none"):
        assert_same_weights(INTERNALIZER.add(INTERNALIZER.reduce(adapter, keep), []), adapter)


@pytest.mark.parametrize("changed", [{"refined_seconds": 1.0}, {"studied_seconds": 1.0}])
def test_weights_that_do_not_follow_from_the_statistics_are_kept(changed):
    adapter = INTERNALIZER.internalize(DOCUMENTS[:1])
    own = {key: LoraPair(pair.A, pair.B + 1) for key, pair in adapter.weights.items()}
    learned = replace(adapter, weights=own, provenance=adapter.provenance.model_copy(update=changed))
    assert_same_weights(INTERNALIZER.attach_weights(learned), learned)


def test_adapters_of_one_hypernetwork_share_what_is_the_same_for_all_documents():
    first, second = (INTERNALIZER.internalize([document]) for document in DOCUMENTS[:2])
    assert first.num_bytes == 0
    assert all(first.weights[key].A.data_ptr() == second.weights[key].A.data_ptr() for key in first.weights)


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


def test_a_repeated_chunk_is_encoded_once_and_counts_every_time(monkeypatch):
    encoded: list[int] = []
    original = DocumentEncoder.encode_chunks

    def counting(self, chunks, **options):
        encoded.append(len(chunks))
        return original(self, chunks, **options)

    once, often = (document_from_text("The grass is green. " * n, "x") for n in (1, 8))
    monkeypatch.setattr(DocumentEncoder, "encode_chunks", counting)
    long = INTERNALIZER.internalize([often])
    assert sum(encoded) < long.provenance.documents[0].num_tokens / 16
    _, (many,) = INTERNALIZER.documents_of(long)
    _, (single,) = INTERNALIZER.documents_of(INTERNALIZER.internalize([once]))
    assert many.statistics.S.diagonal(dim1=-2, dim2=-1).sum() > 4 * single.statistics.S.diagonal(dim1=-2, dim2=-1).sum()


def test_without_a_reader_no_tokens_are_kept():
    hypernetwork = AssociativeHypernetwork(config := INTERNALIZER.config.model_copy(update={"reader_width": 0}))
    plain = replace(INTERNALIZER, config=config, hypernetwork=hypernetwork.eval())
    _, (document,) = plain.documents_of(plain.internalize(DOCUMENTS[:1]))
    assert document.tokens is None


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
    """The scaling of an adapter depends on its rank; the update must be that of training."""
    base, config, hypernetwork = INTERNALIZER.base, INTERNALIZER.config, INTERNALIZER.hypernetwork
    document = document_from_text("Bees.", "short")
    (chunk,) = split_into_chunks(document.text, base.tokenizer, config.chunk_tokens)
    B = hypernetwork.write(hypernetwork(encode_chunks(base, [chunk], layers=(0, 1), module="down_proj")).statistics())
    ids = torch.tensor([[1, 20, 30, 40]])
    logits = []
    for batch in (
        address_adapters(config, hypernetwork, hypernetwork.lora_A(), B),
        build_lora_batch([INTERNALIZER.internalize([document])], base),
    ):
        with base.hooks.applied(batch):
            logits.append(base.model(ids).logits)
    torch.testing.assert_close(logits[1], logits[0])


def test_errors_name_what_is_wrong_and_what_to_do():
    with pytest.raises(HypernetworkError, match="made for tiny-llama"):
        tiny_internalizer(digest="other")
    adapter = INTERNALIZER.internalize(DOCUMENTS[:1])
    with pytest.raises(AdapterError, match="it holds doc0"):
        INTERNALIZER.remove(adapter, ["doc9"])
    with pytest.raises(AdapterError, match="no document would be left"):
        INTERNALIZER.remove(adapter, ["doc0"])
    with pytest.raises(ContextError, match="give at least one"):
        INTERNALIZER.internalize([])
