import math
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base
from tiny_internalizer import DOCUMENTS, INTERNALIZER, assert_same_weights, largest_difference

from lorify.adapters import AdapterStack
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.contexts.documents import document_from_text
from lorify.facade import Lorify
from lorify.hypernets.associative import focus
from lorify.hypernets.associative import internalizer as internalizing
from lorify.hypernets.associative.focus import (
    LEAST,
    SHARPNESS,
    Asked,
    ending_words,
    focus_factors,
    rest_weight,
    word_matches,
)
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.reader import NUM_MATCHES, Places
from lorify.hypernets.associative.relevance import Relevance, hash_stem
from lorify.hypernets.associative.token_cache import KeptTokens, choose_tokens, without_tokens

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
FOCUSING = replace(INTERNALIZER, relevance=RELEVANCE)
TOKENIZER = tiny_base().tokenizer


def words_of(text: str) -> torch.Tensor:
    return ending_words(TOKENIZER(text, add_special_tokens=False)["input_ids"], TOKENIZER)


def focused_on(internalizer, adapter, question: str):
    (found,) = internalizer.focused([adapter], [question])
    return found


def test_every_word_ends_in_one_token():
    found = words_of("The bees of Torvik, and Torvik's beekeeper.")
    wanted = ["the", "bee", "of", "torvik", "and", "torvik", "s", "beekeep"]
    assert found[found != 0].tolist() == [hash_stem(stem) for stem in wanted]


def test_matches_say_where_the_rare_words_of_a_question_stand():
    words = words_of("Ada lives in Torvik by the sea. Berta lives in Holm by the river.")
    found = word_matches(RELEVANCE.rarities("Where does Berta live?"), words)
    (berta,) = (words == hash_stem("berta")).nonzero(as_tuple=True)
    here, far_after, near_after, near_before, far_before, known = found.unbind(1)
    mentioned = [hash_stem("berta"), hash_stem("live")]
    assert here.nonzero().flatten().tolist() == [i for i, word in enumerate(words.tolist()) if word in mentioned]
    for after in (far_after, near_after):
        assert after[berta[0] + 1] > after[berta[0] - 1], "the last mention counts, not the next one"
    assert near_before[berta[0] - 1] > near_before[berta[0] - 4]
    assert far_before[0] > near_before[0]
    # `where` and `does` are as rare as the other two, and are not there.
    torch.testing.assert_close(known, torch.full_like(known, 0.5))


def test_words_that_are_common_or_not_there_match_nothing():
    words = words_of("The mill is red.")
    for question in ("Is the of?", "Who keeps bees?"):
        assert not word_matches(RELEVANCE.rarities(question), words).any()


class FixedReader:
    """Finds the answer where it was told to, in documents told apart by their length."""

    def __init__(self, *logits: list[float]):
        self.logits = {len(some): torch.tensor(some) for some in logits}
        assert len(self.logits) == len(logits)

    def __call__(self, documents, mask, questions, asked, matches):
        belongs = torch.zeros(mask.shape)
        for row, length in enumerate(mask.sum(1).tolist()):
            belongs[row, :length] = self.logits[length]
        return Places(torch.zeros_like(belongs), belongs)


def test_the_tokens_of_all_documents_compete():
    documents = [(torch.zeros(3, 8), words_of("A mill.")[:3]), (torch.zeros(2, 8), words_of("A boat.")[:2])]
    reader = FixedReader([-9.0, 0.0, -9.0], [9.0, -9.0])
    ((first, second),) = focus_factors(reader, [Asked(torch.zeros(1, 8), {}, documents)])
    assert second[0] == 1
    assert second[1] == pytest.approx(LEAST, rel=1e-2)
    assert first[1] == pytest.approx(math.exp(-SHARPNESS / 2), rel=1e-2)


def test_all_that_is_left_out_counts_as_much_however_much_it_is():
    few, many, page = rest_weight(torch.tensor([5, 1000, 100])).tolist()
    assert few == pytest.approx(LEAST)
    assert 1000 * many == pytest.approx(100 * page)


def test_where_no_place_is_found_all_tokens_count_alike():
    asked = Asked(torch.zeros(1, 8), {}, [(torch.zeros(4, 8), torch.zeros(4))])
    ((factors,),) = focus_factors(FixedReader([-7.0] * 4), [asked])
    assert factors.tolist() == [1.0] * 4


@torch.no_grad()
def test_questions_asked_together_are_focused_as_each_alone():
    questions = ["Who keeps bees?", "Where does Ada live in the mill?", "When?"]
    asked = [
        Asked(torch.randn(2 + i, 8), RELEVANCE.rarities(question), [(torch.randn(len(words), 8), words)] * (1 + i % 2))
        for i, question in enumerate(questions)
        for words in map(words_of, ("Ada keeps bees at the mill.", "Ada keeps bees.", "A mill is a mill. " * 20))
    ]
    reader = INTERNALIZER.hypernetwork.reader
    for one, together in zip(asked, focus_factors(reader, asked), strict=True):
        (alone,) = focus_factors(reader, [one])
        for factors, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(factors, wanted)


@torch.no_grad()
def test_the_reader_finds_the_same_in_a_padded_batch():
    reader = INTERNALIZER.hypernetwork.reader
    documents, questions, matches = torch.randn(2, 9, 8), torch.randn(2, 4, 8), torch.rand(2, 9, NUM_MATCHES)
    mask, asked = torch.ones(2, 9, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)
    mask[1, 5:] = asked[1, 3:] = False
    together = reader(documents, mask, questions, asked, matches)
    alone = reader(documents[1:, :5], mask[1:, :5], questions[1:, :3], asked[1:, :3], matches[1:, :5])
    torch.testing.assert_close(together.belongs[1:, :5], alone.belongs)
    torch.testing.assert_close(together.begins[1:, :5], alone.begins)


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 3), min_size=1))
def test_kept_tokens_give_the_statistics_that_were_read(chosen):
    adapter = INTERNALIZER.internalize([DOCUMENTS[i] for i in sorted(chosen)])
    for kept in adapter.statistics:
        tokens = KeptTokens.from_flat(kept, torch.device("cpu"))
        statistics = tokens.memory.chosen(torch.arange(len(tokens.words))).statistics()
        torch.testing.assert_close(statistics.S, kept["S"], rtol=2e-3, atol=2e-3 * kept["S"].abs().max().item())
        torch.testing.assert_close(statistics.M, kept["M"], rtol=2e-2, atol=2e-2 * kept["M"].abs().max().item())


def test_a_focused_adapter_says_what_the_tokens_say_that_answer():
    both = FOCUSING.internalize(DOCUMENTS[:2])
    alone = FOCUSING.internalize(DOCUMENTS[:1])
    tokens = [len(kept["token_words"]) for kept in both.statistics]
    knowing = FixedReader([9.0] * tokens[0], [-9.0] * tokens[1])
    with patch.object(FOCUSING.hypernetwork.reader, "forward", knowing):
        focused = focused_on(FOCUSING, both, "When does the mill open?")
    assert largest_difference(focused, alone) < 0.5 * largest_difference(both, alone)
    assert focused_on(FOCUSING, focused, "Who keeps bees?") is focused, "a focused adapter stays as it is"


@pytest.mark.parametrize(("logit", "concerns"), [(1.0, True), (-1.0, False)])
def test_a_question_in_other_words_concerns_the_documents_where_the_reader_finds_its_answer(logit, concerns):
    adapter = FOCUSING.internalize(DOCUMENTS[:1])
    tokens = len(adapter.statistics[0]["token_words"])
    with patch.object(FOCUSING.hypernetwork.reader, "forward", FixedReader([-9.0] * (tokens - 1) + [logit])):
        assert FOCUSING.is_relevant(adapter, "Why?") is concerns
        assert not FOCUSING.is_relevant(replace(adapter, statistics=without_tokens(adapter.statistics)), "Why?")
        assert not FOCUSING.is_relevant(adapter, "")


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
    for together, adapter, question in zip(FOCUSING.focused(adapters, questions), adapters, questions, strict=True):
        assert_same_weights(together, focused_on(FOCUSING, adapter, question))


def test_a_row_of_several_adapters_is_focused_each_with_its_scale():
    first, second = FOCUSING.internalize(DOCUMENTS[:2]), FOCUSING.internalize(DOCUMENTS[2:])
    model = Lorify(FOCUSING.base, FOCUSING)
    rows = [first, None, AdapterStack(((first, 0.5), (second, 2.0))), first]
    alone, bare, both, again = model.focus(rows, ["Who keeps bees?"] * 4)
    assert bare.is_empty
    assert again == alone
    assert [scale for _, scale in both] == [0.5, 2.0]
    for found, adapter in zip(alone.adapters + both.adapters, (first, first, second), strict=True):
        assert_same_weights(found, focused_on(FOCUSING, adapter, "Who keeps bees?"))


def test_nothing_is_focused_without_tokens_or_word_weights_or_by_another_hypernetwork():
    adapter = FOCUSING.internalize(DOCUMENTS)
    bare = replace(adapter, statistics=without_tokens(adapter.statistics))
    assert focused_on(FOCUSING, bare, "Who keeps bees?") is bare
    assert focused_on(INTERNALIZER, adapter, "Who keeps bees?") is adapter
    assert focused_on(replace(FOCUSING, digest="other"), adapter, "Who keeps bees?") is adapter


def test_without_a_reader_no_tokens_are_kept():
    hypernetwork = AssociativeHypernetwork(config := FOCUSING.config.model_copy(update={"reader_width": 0}))
    plain = replace(FOCUSING, config=config, hypernetwork=hypernetwork.eval())
    adapter = plain.internalize(DOCUMENTS[:1])
    assert not any(name.startswith("token_") for name in adapter.statistics[0])
    assert focused_on(plain, adapter, "Who keeps bees?") is adapter


LONG = document_from_text(
    "".join(f"Ada{i} keeps bees in Torvik{i}. They like clover, and the sea wind number {i}. " for i in range(40)),
    "long",
)


def test_a_long_document_is_focused_as_if_its_memory_had_been_kept(monkeypatch):
    wanted = FOCUSING.internalize([LONG])
    monkeypatch.setattr(internalizing, "KEPT_MEMORY", 100)
    adapter = FOCUSING.internalize([LONG])
    assert "token_keys" in wanted.statistics[0]
    assert "token_keys" not in adapter.statistics[0]
    assert_same_weights(adapter, wanted)
    monkeypatch.setattr(internalizing, "ENCODED_AGAIN", 100)
    focused, expected = (focused_on(FOCUSING, a, "Where does Ada7 keep bees?") for a in (adapter, wanted))
    assert largest_difference(focused, expected) < 0.02 * largest_difference(expected, wanted)
    doubled, scaled = (FOCUSING.combine([(a, 2.0)]) for a in (adapter, wanted))
    focused, expected = (focused_on(FOCUSING, a, "Where does Ada7 keep bees?") for a in (doubled, scaled))
    assert largest_difference(focused, expected) < 0.02 * largest_difference(expected, wanted)


def test_of_a_very_long_document_no_tokens_are_kept(monkeypatch):
    monkeypatch.setattr(internalizing, "KEPT_TOKENS", 100)
    adapter = FOCUSING.internalize([LONG])
    assert not any(name.startswith("token_") for name in adapter.statistics[0])
    assert focused_on(FOCUSING, adapter, "Who keeps bees?") is adapter


def test_few_chunks_are_encoded_again(monkeypatch):
    monkeypatch.setattr(internalizing, "KEPT_MEMORY", 100)
    (kept,) = FOCUSING.internalize([LONG]).statistics
    tokens = KeptTokens.from_flat(kept, torch.device("cpu"))
    assert len(tokens.chunk_sizes) > 3
    factors = torch.rand(len(tokens.words), generator=torch.Generator().manual_seed(0))
    best = factors.argmax()
    (chosen,) = choose_tokens([tokens], [factors], 30, 2)
    chunks, places = tokens.chunk_of(chosen)
    assert len(chunks.unique()) == 2
    assert best in chosen
    for chunk, place, index in zip(chunks.tolist(), places.tolist(), chosen.tolist(), strict=True):
        ids = tokens.chunk(chunk)
        assert ending_words(ids[:-1], TOKENIZER)[place] == tokens.words[index]
    with_memory = FOCUSING.internalize([DOCUMENTS[0]]).statistics[0]
    short = KeptTokens.from_flat(with_memory, torch.device("cpu"))
    _, all_of_it = choose_tokens([tokens, short], [0 * factors, torch.ones(len(short.words))], len(short.words), 0)
    assert len(all_of_it) == len(short.words)


def test_of_many_tokens_those_are_read_that_the_questions_words_point_to(monkeypatch):
    monkeypatch.setattr(focus, "WINDOW_TOKENS", 20)
    monkeypatch.setattr(focus, "READ_WINDOWS", 2)
    texts = [
        "Ada lives in Torvik. " * 12,
        "The sea is cold. " * 12 + "Berta lives in Holm. " + "The sea is cold. " * 12,
    ]
    documents = [(torch.zeros(len(words), 8), words) for words in map(words_of, texts)]
    read = []

    def reader(document, mask, questions, asked, matches):
        read.append(document.shape[1])
        return Places(matches[..., 0], matches[..., 0])

    (found,) = focus_factors(reader, [Asked(torch.zeros(1, 8), RELEVANCE.rarities("Who is Berta of Holm?"), documents)])
    assert read == [40]
    assert found[0].tolist() == pytest.approx([LEAST] * len(found[0]))
    (loud,) = (found[1] > 0.9).nonzero(as_tuple=True)
    assert documents[1][1][loud].tolist() == [hash_stem("berta"), hash_stem("holm")]
