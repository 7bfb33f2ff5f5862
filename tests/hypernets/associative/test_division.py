"""Documents divided into parts: nothing is lost, and a part answers as a document of its sentences would."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_internalizer import DOCUMENTS, LONG, tiny_internalizer

from lorify.base.token_texts import UNFINISHED
from lorify.contexts.documents import document_from_text
from lorify.errors import AdapterError, HypernetworkError
from lorify.hypernets.associative.division import MIN_PART_TOKENS, PART_TOKENS, find_parts
from lorify.hypernets.associative.token_cache import CacheLimits


def without_static_rows(*, has_start: bool = True):
    """A random hypernetwork whose adapters hold nothing but what they read."""
    internalizer = tiny_internalizer()
    torch.nn.init.zeros_(internalizer.hypernetwork.bias_B)
    if not has_start:  # chunks then begin with the text
        internalizer.base.tokenizer.bos_token = None
        assert internalizer.base.tokenizer.bos_token_id is None
    return internalizer


INTERNALIZER = without_static_rows()
WORDS = st.sampled_from([" mill", " opens", " at", " nine", ".", ". ", "\n", "\n\n", "", " Mr.", "!", " é"])


def update(adapter, key):
    pair = adapter.weights[key]
    return adapter.scaling(key) * pair.B.double() @ pair.A.double()


@given(st.lists(WORDS, max_size=400))
def test_every_token_is_in_a_part(pieces):
    parts = find_parts(pieces)
    covered = 0
    for begin, end in parts:
        assert begin <= covered < end  # it may repeat tokens of the part before, and leaves none out
        covered = end
    assert covered == (len(pieces) if "".join(pieces).strip() else 0)


@given(st.lists(st.integers(1, PART_TOKENS), min_size=1, max_size=30))
def test_a_part_is_not_longer_than_allowed(lengths):
    pieces = [piece for length in lengths for piece in [" word"] * (length - 1) + [" end."]]
    ends_before = 0
    for begin, end in find_parts(pieces):
        # Beside the sentence that it repeats; very short beginnings stay with a long sentence.
        assert end - ends_before <= PART_TOKENS + MIN_PART_TOKENS
        assert pieces[begin:ends_before].count(" end.") <= 1
        ends_before = end


def test_a_paragraph_begins_a_part_and_a_heading_stays_with_it():
    heading, words = ["Library", "\n\n"], [" books"] * MIN_PART_TOKENS
    pieces = [*heading, *words, ".", "\n\n", *heading[:1], "\n\n", *words, "."]
    boundary = len(heading) + len(words) + 1
    assert find_parts(pieces) == [(0, boundary), (boundary, len(pieces))]


def test_a_heading_stays_with_a_long_first_sentence():
    pieces = ["Library", "\n\n", *[" books"] * (PART_TOKENS - 1), "."]
    assert find_parts(pieces) == [(0, len(pieces))]


@pytest.mark.parametrize("has_start", [True, False])
def test_characters_of_several_tokens_are_not_cut(has_start):
    text = "😀 " + "Ada opens the mill at nine. 😀 Nils closes it. 日本語の文です。 " * 8
    internalizer = without_static_rows(has_start=has_start)
    for part in internalizer.divide(internalizer.internalize([document_from_text(text, "emoji")])):
        assert UNFINISHED not in part.text


def test_a_part_within_a_paragraph_repeats_the_sentence_before():
    sentence = [*[" word"] * (PART_TOKENS // 2 - 1), "."]
    size = len(sentence)
    assert find_parts(sentence * 4) == [(0, 2 * size), (size, 4 * size)]


@pytest.mark.parametrize("has_start", [True, False])
def test_the_adapter_of_a_part_is_that_of_a_document_of_its_tokens(has_start):
    internalizer = without_static_rows(has_start=has_start)
    for document in DOCUMENTS:
        whole = internalizer.internalize([document])
        parts = list(internalizer.divide(whole))
        if len(parts) == 1:
            (part,) = parts
            assert (part.document, part.text, part.adapter.statistics) == (document.name, document.text, None)
            for key in whole.weights:
                want = update(whole, key)
                # Up to the precision of the tokens that are kept.
                torch.testing.assert_close(update(part.adapter, key), want, rtol=0, atol=0.02 * want.abs().max().item())
    assert len(list(internalizer.divide(internalizer.internalize(DOCUMENTS[:1])))) == 1


@pytest.mark.parametrize("has_start", [True, False])
def test_together_parts_that_repeat_nothing_hold_the_whole_document(has_start):
    text = "\n\n".join(f"Ada{i} keeps bees in Torvik{i}" for i in range(12))  # of several chunks
    internalizer = without_static_rows(has_start=has_start)
    ((_, tokens),) = internalizer.divide(internalizer.internalize([document_from_text(text, "bees")])).documents
    assert len(tokens) > 3 and all(end == begin for (_, end), (begin, _) in pairwise(tokens.ranges))
    _, (memory,) = internalizer.documents_of(internalizer.internalize([document_from_text(text, "bees")]))
    S = sum(part.statistics.S for part in tokens)
    torch.testing.assert_close(S, memory.S.to(S), rtol=0, atol=2e-3 * memory.S.abs().max().item())


def test_parts_of_a_long_document_hold_all_of_its_text_and_differ():
    parts = list(INTERNALIZER.divide(INTERNALIZER.internalize([LONG, DOCUMENTS[0]])))
    assert [part.document for part in parts] == ["long"] * (len(parts) - 1) + ["doc0"]
    assert len(parts) > 5
    for i in range(40):
        assert any(f"Ada{i} keeps bees in Torvik{i}." in part.text for part in parts)
    first, second = (update(part.adapter, (0, "down_proj")) for part in parts[:2])
    assert (first - second).abs().max() > 0.1 * first.abs().max()


@pytest.mark.parametrize("has_start", [True, False])
def test_tokens_are_encoded_again_where_only_their_index_is_kept(has_start):
    internalizer = without_static_rows(has_start=has_start)
    kept = internalizer.internalize([LONG])
    index = replace(internalizer, limits=CacheLimits(memory_tokens=100)).internalize([LONG])
    for one, other in zip(internalizer.divide(kept), internalizer.divide(index), strict=True):
        assert one.text == other.text
        for key in one.adapter.weights:
            want = update(one.adapter, key)
            torch.testing.assert_close(update(other.adapter, key), want, rtol=0, atol=0.05 * want.abs().max().item())


@pytest.mark.parametrize("scale", [0.25, 2.0])
def test_a_scaled_adapter_has_scaled_parts(scale):
    plain = INTERNALIZER.internalize([DOCUMENTS[1]])
    (part,) = INTERNALIZER.divide(INTERNALIZER.combine([(plain, scale)]))
    want = update(INTERNALIZER.combine([(plain, scale)]), (0, "down_proj"))
    found = update(part.adapter, (0, "down_proj"))
    torch.testing.assert_close(found, want, rtol=0, atol=0.02 * want.abs().max().item())


def test_a_document_of_one_token_has_no_part():
    internalizer = without_static_rows(has_start=False)
    with pytest.raises(AdapterError, match="too short"):
        internalizer.divide(internalizer.internalize([document_from_text("a", "letter")]))


def test_without_a_reader_no_tokens_are_kept():
    internalizer = tiny_internalizer(reader_width=0)
    with pytest.raises(HypernetworkError, match="has no reader"):
        internalizer.divide(internalizer.internalize(DOCUMENTS))


def test_what_cannot_be_divided_is_refused():
    adapter = INTERNALIZER.internalize([document_from_text("The mill opens at nine.", "mill")])
    with pytest.raises(AdapterError, match=r"keeps no tokens of mill.*--keep"):
        INTERNALIZER.divide(INTERNALIZER.reduce(adapter, "none"))
    studied = replace(adapter, provenance=adapter.provenance.model_copy(update={"studied_seconds": 1.0}))
    with pytest.raises(AdapterError, match="without --study"):
        INTERNALIZER.divide(studied)
    refined = replace(adapter, provenance=adapter.provenance.model_copy(update={"refined_seconds": 1.0}))
    with pytest.raises(AdapterError, match="internalize its documents again"):
        INTERNALIZER.divide(refined)
