from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base
from tiny_internalizer import DOCUMENTS, INTERNALIZER, assert_same_weights, largest_difference

from lorify.adapters.storage import load_adapter, save_adapter
from lorify.contexts.documents import document_from_text
from lorify.hypernets import internalize as internalizing
from lorify.hypernets.focus import KeptTokens, ending_words, log_focus, without_tokens
from lorify.hypernets.relevance import Relevance, hash_stem

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
FOCUSING = replace(INTERNALIZER, relevance=RELEVANCE)
TOKENIZER = tiny_base().tokenizer


def words_of(text: str) -> torch.Tensor:
    return ending_words(TOKENIZER(text, add_special_tokens=False)["input_ids"], TOKENIZER)


def test_every_word_ends_in_one_token():
    found = words_of("The bees of Torvik, and Torvik's beekeeper.")
    wanted = ["the", "bee", "of", "torvik", "and", "torvik", "s", "beekeep"]
    assert found[found != 0].tolist() == [hash_stem(stem) for stem in wanted]


def test_tokens_after_the_rare_words_of_a_question_count_most():
    text = "Ada lives in Torvik by the sea. " * 3 + "Berta lives in Holm by the river. " * 3
    words = words_of(text)
    (factors,) = log_focus("Where does Berta live?", [words], RELEVANCE)
    assert factors.max() == 0
    assert (factors <= 0).all()
    (berta,) = (words == hash_stem("berta")).nonzero(as_tuple=True)
    assert factors[berta[0] + 2] > factors[berta[0] - 3] > factors[0], "a word reaches farther ahead than back"


def test_a_question_without_a_word_of_the_documents_counts_all_tokens_alike():
    assert all(
        (factors == 0).all() for factors in log_focus("Why?", [words_of("A red boat."), words_of("x")], RELEVANCE)
    )


def test_words_are_looked_for_in_all_documents():
    first, second = log_focus("Who keeps bees?", [words_of("Ada keeps bees."), words_of("A red boat.")], RELEVANCE)
    assert first.max() == 0 > second.max()


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 3), min_size=1))
def test_kept_tokens_give_the_statistics_that_were_read(chosen):
    adapter = INTERNALIZER.internalize([DOCUMENTS[i] for i in sorted(chosen)])
    for kept in adapter.statistics:
        tokens = KeptTokens.from_flat(kept, torch.device("cpu"))
        statistics = tokens.statistics(torch.ones(len(tokens.words)))
        torch.testing.assert_close(statistics.S, kept["S"], rtol=2e-3, atol=2e-3 * kept["S"].abs().max().item())
        torch.testing.assert_close(statistics.M, kept["M"], rtol=2e-2, atol=2e-2 * kept["M"].abs().max().item())


def test_a_question_about_one_of_two_documents_nearly_removes_the_other():
    both = FOCUSING.internalize(DOCUMENTS[:2])
    alone = FOCUSING.internalize(DOCUMENTS[:1])
    focused = FOCUSING.focused(both, "When does the mill open?")
    assert largest_difference(focused, alone) < largest_difference(both, alone)
    assert FOCUSING.focused(focused, "Who keeps bees?") is focused, "a focused adapter stays as it is"


def test_focusing_is_the_same_after_saving_and_after_documents_came_and_went(tmp_path):
    adapter = FOCUSING.internalize(DOCUMENTS[:2])
    wanted = FOCUSING.focused(adapter, "Who keeps bees?")
    save_adapter(adapter, tmp_path / "adapter")
    assert_same_weights(FOCUSING.focused(load_adapter(tmp_path / "adapter"), "Who keeps bees?"), wanted)
    changed = FOCUSING.remove(FOCUSING.add(adapter, [DOCUMENTS[2]]), [DOCUMENTS[2].name])
    assert_same_weights(FOCUSING.focused(changed, "Who keeps bees?"), wanted)


def test_nothing_is_focused_without_tokens_or_word_weights_or_by_another_hypernetwork():
    adapter = FOCUSING.internalize(DOCUMENTS)
    bare = replace(adapter, statistics=without_tokens(adapter.statistics))
    assert FOCUSING.focused(bare, "Who keeps bees?") is bare
    assert INTERNALIZER.focused(adapter, "Who keeps bees?") is adapter
    assert replace(FOCUSING, digest="other").focused(adapter, "Who keeps bees?") is adapter


@pytest.mark.parametrize("repeats", [1, 40])
def test_tokens_of_long_documents_are_not_kept(monkeypatch, repeats):
    monkeypatch.setattr(internalizing, "KEPT_TOKENS", 100)
    adapter = FOCUSING.internalize([document_from_text("Ada keeps bees. They like clover. " * repeats, "long")])
    (kept,) = adapter.statistics
    assert ("token_keys" in kept) == (repeats == 1)
    assert (FOCUSING.focused(adapter, "Who keeps bees?") is adapter) == (repeats > 1)
