"""Which adapter answers a question: relevance and focus of an internalizer."""

import copy
import gc
import weakref
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest
import torch
from stand_in_readers import constant, matching_documents
from tiny_internalizer import DOCUMENTS, INTERNALIZER, LONG, assert_same_weights, largest_difference, tiny_internalizer

from lorify.adapters.storage import load_adapter, save_adapter
from lorify.errors import AdapterError
from lorify.hypernets.associative.document_memory import kept_of, without_tokens
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.token_cache import CacheLimits
from lorify.hypernets.relevance import Relevance

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
FOCUSING = replace(INTERNALIZER, relevance=RELEVANCE)


def focused_on(internalizer, adapter, question: str):
    (found,) = internalizer.prepare([adapter], [question], only_if_relevant=False)
    found.adapter.with_held_weights()  # solves for them
    return found.adapter


def is_on(internalizer, adapter, question: str) -> bool:
    (found,) = internalizer.prepare([adapter], [question], focus=False)
    assert found.adapter is None or found.adapter is adapter
    return found.adapter is not None


def reader_of(internalizer, stand_in):
    return patch.object(internalizer.hypernetwork.reader, "forward", stand_in)


def test_an_adapter_is_on_for_questions_about_its_documents(tmp_path):
    relevance = Relevance(threshold=0.5, unseen_weight=1.0, weights={"the": 0.1, "when": 0.1, "does": 0.1})
    internalizer = replace(tiny_internalizer(reader_width=0), relevance=relevance)  # a reader may find an answer
    both = internalizer.internalize(DOCUMENTS[:2])
    save_adapter(both, tmp_path / "both")
    assert is_on(internalizer, load_adapter(tmp_path / "both"), "When does the mill open?")
    assert is_on(internalizer, both, "Does Ada keep bees?")
    assert not is_on(internalizer, both, "What is the capital of France?")
    without_bees = internalizer.remove(both, ["doc1"])
    assert not is_on(internalizer, without_bees, "Does Ada keep bees?")
    assert is_on(internalizer, internalizer.add(without_bees, [DOCUMENTS[1]]), "Does Ada keep bees?")


def test_without_word_weights_an_adapter_is_always_on():
    assert is_on(INTERNALIZER, INTERNALIZER.internalize(DOCUMENTS[:1]), "What is the capital of France?")


@pytest.mark.parametrize(("logit", "expected"), [(1.0, True), (-1.0, False)])
def test_a_question_in_other_words_is_relevant_if_the_reader_finds_its_answer(logit, expected):
    adapter = FOCUSING.internalize(DOCUMENTS[:1])
    with reader_of(FOCUSING, constant(logit)):
        assert is_on(FOCUSING, adapter, "Why?") is expected
        assert not is_on(FOCUSING, without_tokens(adapter), "Why?")
        assert not is_on(FOCUSING, adapter, "")


def test_the_reader_runs_once_for_relevance_and_focus():
    adapter = FOCUSING.internalize(DOCUMENTS[:1])
    reader = Mock(side_effect=constant(1.0))
    with reader_of(FOCUSING, reader):
        (found,) = FOCUSING.prepare([adapter], ["Why?"])
        assert found.adapter is not None and found.adapter is not adapter
        assert reader.call_count == 1
        (document,), (located,) = found.evidence, FOCUSING.locate(adapter, "Why?")
    assert torch.equal(document.probabilities, located.probabilities) and document.ids == located.ids


def test_relevance_is_decided_for_each_question_of_a_batch():
    first, second = FOCUSING.internalize(DOCUMENTS[:1]), FOCUSING.internalize(DOCUMENTS[1:2])
    questions = ["When does the mill open?", "When does the mill open?", "Who keeps bees?"]
    with reader_of(FOCUSING, constant(-9.0)):
        on, off, bees = (found.adapter for found in FOCUSING.prepare([first, second, second], questions))
    assert off is None
    assert on is not None and bees is not None
    assert on.provenance.documents == first.provenance.documents
    assert bees.provenance.documents == second.provenance.documents


def test_a_focused_adapter_holds_what_the_answering_tokens_say():
    both, alone = FOCUSING.internalize(DOCUMENTS[:2]), FOCUSING.internalize(DOCUMENTS[:1])
    with reader_of(FOCUSING, matching_documents):
        focused = focused_on(FOCUSING, both, "When does the mill open?")
    assert largest_difference(focused, alone) < 0.5 * largest_difference(both, alone)
    assert focused_on(FOCUSING, focused, "Who keeps bees?") is focused, "it cannot be focused again"


def test_focusing_is_the_same_after_saving_and_after_documents_came_and_went(tmp_path):
    adapter = FOCUSING.internalize(DOCUMENTS[:2])
    wanted = focused_on(FOCUSING, adapter, "Who keeps bees?")
    save_adapter(adapter, tmp_path / "adapter")
    assert_same_weights(focused_on(FOCUSING, load_adapter(tmp_path / "adapter"), "Who keeps bees?"), wanted)
    changed = FOCUSING.remove(FOCUSING.add(adapter, [DOCUMENTS[2]]), [DOCUMENTS[2].name])
    assert_same_weights(focused_on(FOCUSING, changed, "Who keeps bees?"), wanted)


def test_questions_are_focused_together_as_each_alone():
    adapters = [FOCUSING.internalize(DOCUMENTS[:2]), FOCUSING.internalize(DOCUMENTS[2:])]
    questions = ["Who keeps bees, and where do they keep them in the winter?", "What lies there?"]
    together = FOCUSING.prepare(adapters, questions, only_if_relevant=False)
    for found, adapter, question in zip(together, adapters, questions, strict=True):
        assert_same_weights(found.adapter, focused_on(FOCUSING, adapter, question))


def test_with_an_index_the_adapter_is_focused_alike_and_with_nothing_kept_not_at_all():
    adapter = FOCUSING.internalize(DOCUMENTS[:2])
    index, bare = FOCUSING.reduce(adapter, "index"), FOCUSING.reduce(adapter, "none")
    assert_same_weights(index, adapter)
    assert_same_weights(bare, adapter)
    assert adapter.statistics_bytes > index.statistics_bytes > bare.statistics_bytes
    with reader_of(FOCUSING, matching_documents):
        focused = focused_on(FOCUSING, adapter, "When does the mill open?")
        # Kept values are rounded to eight bits, encoded ones are not.
        rounding = largest_difference(focused_on(FOCUSING, index, "When does the mill open?"), focused)
        assert rounding < 0.2 * largest_difference(focused, adapter)
        assert focused_on(FOCUSING, bare, "When does the mill open?") is bare


@pytest.mark.parametrize("keep", ["tokens", "index", "none"])
def test_added_documents_are_kept_as_those_already_there(keep):
    adapter = FOCUSING.reduce(FOCUSING.internalize(DOCUMENTS[:1]), keep)
    added = FOCUSING.add(adapter, [DOCUMENTS[1]])
    assert [kept_of(stored) for stored in added.statistics] == [keep, keep]
    assert_same_weights(added, FOCUSING.internalize(DOCUMENTS[:2]))
    assert_same_weights(FOCUSING.remove(added, ["doc1"]), adapter)


def test_a_document_too_long_to_be_kept_does_not_decide_what_is_kept_of_others():
    limited = replace(FOCUSING, limits=CacheLimits(memory_tokens=100, tokens=200))
    for document, kept in ((LONG, "none"), (DOCUMENTS[0], "tokens")):
        adapter = limited.internalize([document])
        assert [kept_of(stored) for stored in adapter.statistics] == [kept]
        added = limited.add(adapter, [DOCUMENTS[1]])
        assert kept_of(added.statistics[1]) == "tokens"


def test_nothing_is_focused_without_tokens_or_word_weights_or_by_another_hypernetwork():
    adapter = FOCUSING.internalize(DOCUMENTS)
    bare = without_tokens(adapter)
    assert focused_on(FOCUSING, bare, "Who keeps bees?") is bare
    assert focused_on(INTERNALIZER, adapter, "Who keeps bees?") is adapter
    assert focused_on(replace(FOCUSING, digest="other"), adapter, "Who keeps bees?") is adapter


def test_nothing_is_focused_without_a_reader():
    hypernetwork = AssociativeHypernetwork(config := FOCUSING.config.model_copy(update={"reader_width": 0}))
    plain = replace(FOCUSING, config=config, hypernetwork=hypernetwork.eval())
    adapter = plain.internalize(DOCUMENTS[:1])
    assert focused_on(plain, adapter, "Who keeps bees?") is adapter


def test_beside_documents_without_tokens_an_adapter_is_focused_only_on_certain_answers():
    kept, dropped = FOCUSING.internalize(DOCUMENTS[:1]), without_tokens(FOCUSING.internalize(DOCUMENTS[1:2]))
    both = FOCUSING.combine([(kept, 1.0), (dropped, 1.0)])
    with reader_of(FOCUSING, constant(1.0)):
        assert_same_weights(focused_on(FOCUSING, both, "Why?"), focused_on(FOCUSING, kept, "Why?"))
    with reader_of(FOCUSING, constant(-1.0)):  # the answer may be in the other document
        assert focused_on(FOCUSING, both, "Why?") is both
        assert focused_on(FOCUSING, kept, "Why?") is not kept


def test_a_long_document_is_focused_as_if_its_memory_had_been_kept():
    encoding = replace(FOCUSING, limits=CacheLimits(memory_tokens=100, reencoded_chunks=100))
    wanted, adapter = FOCUSING.internalize([LONG]), encoding.internalize([LONG])
    assert adapter.statistics_bytes < 0.5 * wanted.statistics_bytes
    size = max(pair.B.abs().max().item() for pair in wanted.weights.values())
    assert largest_difference(adapter, wanted) < 1e-3 * size  # keys and values are rounded more coarsely
    for scale in (1.0, 2.0):
        kept, short = FOCUSING.combine([(wanted, scale)]), encoding.combine([(adapter, scale)])
        focused, expected = (
            focused_on(internalizer, one, "Where does Ada7 keep bees?")
            for internalizer, one in ((encoding, short), (FOCUSING, kept))
        )
        assert largest_difference(focused, expected) < 0.02 * largest_difference(expected, wanted)


def test_no_tokens_are_kept_of_a_very_long_document():
    limited = replace(FOCUSING, limits=CacheLimits(tokens=100))
    adapter = limited.internalize([LONG])
    assert adapter.statistics_bytes == without_tokens(adapter).statistics_bytes
    assert focused_on(limited, adapter, "Who keeps bees?") is adapter


def test_an_adapter_that_is_loaded_again_shares_its_background(tmp_path):
    """Adapters from disk are other tensors each time; solving for each of them anew would be slow and pin memory."""
    internalizer = replace(FOCUSING)
    save_adapter(internalizer.internalize(DOCUMENTS[:2]), tmp_path / "adapter")
    first, again = (focused_on(internalizer, load_adapter(tmp_path / "adapter"), "Who keeps bees?") for _ in range(2))
    assert len(internalizer.backgrounds) == 1
    assert all(torch.equal(first.weights[key].B, again.weights[key].B) for key in first.weights)


def test_other_documents_and_other_scales_have_backgrounds_of_their_own():
    internalizer = replace(FOCUSING)
    first, second = internalizer.internalize(DOCUMENTS[:1]), internalizer.internalize(DOCUMENTS[1:2])
    scaled, both = internalizer.combine([(first, 0.5)]), internalizer.combine([(first, 1.0), (second, 1.0)])
    for number, adapter in enumerate((first, second, scaled, both), start=1):
        focused_on(internalizer, adapter, "Who keeps bees?")
        assert len(internalizer.backgrounds) == number


def test_a_focused_adapter_lets_go_of_the_documents_once_it_is_solved():
    adapter = FOCUSING.internalize(DOCUMENTS[:1])
    (found,) = FOCUSING.prepare([adapter], ["When does the mill open?"], only_if_relevant=False)
    documents = weakref.ref(adapter)
    del adapter
    gc.collect()
    assert documents() is not None, "it is needed to solve for the weights"
    found.adapter.with_held_weights()
    found = found.adapter
    gc.collect()
    assert documents() is None


@pytest.mark.parametrize("keep", ["tokens", "index"])
def test_another_hypernetwork_makes_an_adapter_from_disk_again_from_its_tokens(tmp_path, keep):
    adapter = FOCUSING.reduce(FOCUSING.internalize(DOCUMENTS[:2]), keep)
    save_adapter(adapter, tmp_path / "adapter")
    network = copy.deepcopy(FOCUSING.hypernetwork)
    torch.nn.init.constant_(network.log_scale, -1.0)
    other = replace(FOCUSING, hypernetwork=network, name="other", digest="d2")
    made_again = other.attach_weights(load_adapter(tmp_path / "adapter"))
    expected = other.reduce(other.internalize(DOCUMENTS[:2]), keep)
    save_adapter(FOCUSING.combine([(adapter, 0.5)]), tmp_path / "half")
    half = other.attach_weights(load_adapter(tmp_path / "half"))
    assert largest_difference(half, other.combine([(expected, 0.5)])) < 1e-4 < largest_difference(half, expected)
    assert largest_difference(made_again, expected) < 1e-4 < largest_difference(made_again, adapter)
    assert made_again.provenance.hypernetwork == "other" and other.can_rebuild(made_again)
    assert made_again.provenance.documents == adapter.provenance.documents
    save_adapter(FOCUSING.reduce(adapter, "none"), tmp_path / "without tokens")
    with pytest.raises(AdapterError, match=r"not by other .*internalize its documents again"):
        other.attach_weights(load_adapter(tmp_path / "without tokens"))
