"""Documents divided into clauses: nothing is lost, and a part holds the tokens of its clause."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_internalizer import DOCUMENTS, LONG, tiny_internalizer

from lorify.base.token_texts import UNFINISHED
from lorify.contexts.documents import document_from_text
from lorify.errors import AdapterError
from lorify.hypernets.associative.division import (
    MAX_CLAUSE_TOKENS,
    MAX_SENTENCE_TOKENS,
    MIN_PASSAGE_TOKENS,
    PASSAGE_TOKENS,
    find_clauses,
    find_passages,
)
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
WORDS = st.sampled_from(
    [" mill", ",", " and", " opens", " at", " nine", ".", ". ", "\n", "\n\n", "", " Mr.", "!", " é"]
)


def update(adapter, key):
    pair = adapter.weights[key]
    return adapter.scaling(key) * pair.B.double() @ pair.A.double()


def clauses_of(pieces: list[str]) -> list[str]:
    return ["".join(pieces[begin:end]) for begin, end in find_clauses(pieces, 0, len(pieces))]


@given(st.lists(WORDS, max_size=400))
def test_every_token_is_in_one_passage_and_in_one_clause_of_it(pieces):
    passages = find_passages(pieces)
    clauses = [clause for passage in passages for clause in find_clauses(pieces, *passage)]
    for ranges in (passages, clauses):
        covered = 0
        for begin, end in ranges:
            assert begin == covered < end
            covered = end
        assert covered == (len(pieces) if "".join(pieces).strip() else 0)


@given(st.lists(st.integers(1, PASSAGE_TOKENS), min_size=1, max_size=30))
def test_a_passage_is_not_longer_than_allowed(lengths):
    pieces = [piece for length in lengths for piece in [" word"] * (length - 1) + [" end."]]
    # Very short beginnings stay with a long sentence.
    assert all(end - begin <= PASSAGE_TOKENS + MIN_PASSAGE_TOKENS for begin, end in find_passages(pieces))


@pytest.mark.parametrize("piece", [" word", "x", "，", "字"])
def test_text_without_marks_is_divided_too(piece):
    pieces = [piece] * 2000
    passages = find_passages(pieces)
    assert max(end - begin for begin, end in passages) <= MAX_SENTENCE_TOKENS + MIN_PASSAGE_TOKENS
    clauses = [clause for passage in passages for clause in find_clauses(pieces, *passage)]
    assert max(end - begin for begin, end in clauses) <= MAX_CLAUSE_TOKENS
    assert sum(end - begin for begin, end in clauses) == len(pieces)


def test_a_paragraph_begins_a_passage_and_a_heading_stays_with_it():
    heading, words = ["Library", "\n\n"], [" books"] * MIN_PASSAGE_TOKENS
    pieces = [*heading, *words, ".", "\n\n", *heading[:1], "\n\n", *words, "."]
    boundary = len(heading) + len(words) + 1
    assert find_passages(pieces) == [(0, boundary), (boundary, len(pieces))]


def test_a_heading_stays_with_a_long_first_sentence():
    pieces = ["Library", "\n\n", *[" books"] * (PASSAGE_TOKENS - 1), "."]
    assert find_passages(pieces) == [(0, len(pieces))]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("The mill opens at nine.", ["The mill opens at nine."]),
        ("It is 7 km to Lugano, 49 km to Reims and 42 km to Aarhus.", ["km to Lugano,", "km to Reims", "and 42 km"]),
        ("Ada runs the mill; Nils keeps its keys.", ["Ada runs the mill;", "Nils keeps its keys."]),
        ("| east hall | 28 chairs |", ["| east hall |", "28 chairs |"]),
        ("The sand is wet.\nThe hand is dry.", ["The sand is wet.", "The hand is dry."]),
        ("He said “the mill burns.” Ada ran.", ["He said “the mill burns.”", "Ada ran."]),
        ("No, the price is 1,250.50 euros.", ["No, the price is 1,250.50 euros."]),  # one word alone is no clause
        ("The mill opens at nine, usually.", ["The mill opens at nine, usually."]),
        ("Dr. Ada Lund runs it on May 1, 2026.", ["Dr. Ada Lund runs it on May 1, 2026."]),
    ],
)
def test_a_clause_ends_at_punctuation_and_before_and(text, clauses):
    found = clauses_of(re.findall(r"\s*\w+|\s*[^\w\s]", text))
    assert len(found) == len(clauses)
    for piece, words in zip(found, clauses, strict=True):
        assert words in piece


@pytest.mark.parametrize("has_start", [True, False])
def test_characters_of_several_tokens_are_not_cut(has_start):
    text = "😀 " + "Ada opens the mill at nine. 😀 Nils closes it. 日本語の文です。 " * 8
    internalizer = without_static_rows(has_start=has_start)
    for part in internalizer.divider.divide(internalizer.internalize([document_from_text(text, "emoji")])):
        assert UNFINISHED not in part.text


@pytest.mark.parametrize("has_start", [True, False])
@pytest.mark.parametrize("text", ["The mill opens at nine.", "Forty-two chairs stand in the hall."])
def test_the_adapter_of_the_only_clause_is_that_of_its_document(text, has_start):
    internalizer = without_static_rows(has_start=has_start)
    whole = internalizer.internalize([document_from_text(text, "one")])
    (part,) = internalizer.divider.divide(whole)
    assert (part.document, part.passage, part.text, part.adapter.statistics) == ("one", 1, text, None)
    for key in whole.weights:
        want = update(whole, key)
        # Up to the precision of the tokens that are kept.
        torch.testing.assert_close(update(part.adapter, key), want, rtol=0, atol=0.02 * want.abs().max().item())


@pytest.mark.parametrize("has_start", [True, False])
def test_the_clauses_of_a_document_are_its_text(has_start):
    text = "\n\n".join(f"Ada{i} keeps bees in Torvik{i}, and Nils{i} sells honey" for i in range(12))  # several chunks
    internalizer = without_static_rows(has_start=has_start)
    divided = internalizer.divider.divide(internalizer.internalize([document_from_text(text, "bees")]))
    parts = list(divided)
    assert len(parts) == len(divided) == 24 and "".join(part.text for part in parts) == text
    passages = [part.passage for part in parts]
    assert passages == sorted(passages) and set(passages) == set(range(1, max(passages) + 1)) and max(passages) > 1


def test_a_clause_gets_its_own_tokens_from_any_chunk():
    internalizer = without_static_rows()
    adapter = internalizer.internalize([LONG])
    _, (memory,) = internalizer.documents_of(adapter)
    everything = internalizer._encoder.token_memory(
        memory.tokens, torch.arange(int((memory.tokens.chunk_sizes - 1).sum()))
    )
    ((_, tokens),) = internalizer.divider.divide(adapter).documents
    seen = 0
    for passage in tokens:
        size = passage.memory.keys.shape[2]
        assert [i for _, own in passage.clauses for i in own] == list(range(size))
        torch.testing.assert_close(passage.memory.keys, everything.keys[:, :, seen : seen + size])
        seen += size
    assert seen == everything.keys.shape[2]


def test_parts_of_a_long_document_hold_all_of_its_text_and_differ():
    parts = list(INTERNALIZER.divider.divide(INTERNALIZER.internalize([LONG, DOCUMENTS[0]])))
    assert [part.document for part in parts] == ["long"] * (len(parts) - 1) + ["doc0"]
    assert len(parts) > 5
    for i in range(40):
        assert any(f"Ada{i} keeps bees in Torvik{i}." in part.text for part in parts)
        assert any(f"the sea wind number {i}." in part.text for part in parts)
    first, second = (update(part.adapter, (0, "down_proj")) for part in parts[:2])
    assert (first - second).abs().max() > 0.1 * first.abs().max()


@pytest.mark.parametrize("has_start", [True, False])
def test_tokens_are_encoded_again_where_only_their_index_is_kept(has_start):
    internalizer = without_static_rows(has_start=has_start)
    kept = internalizer.internalize([LONG])
    index = replace(internalizer, limits=CacheLimits(memory_tokens=100)).internalize([LONG])
    for one, other in zip(internalizer.divider.divide(kept), internalizer.divider.divide(index), strict=True):
        assert one.text == other.text
        for key in one.adapter.weights:
            want = update(one.adapter, key)
            torch.testing.assert_close(update(other.adapter, key), want, rtol=0, atol=0.05 * want.abs().max().item())


@pytest.mark.parametrize("scale", [0.25, 2.0])
def test_a_scaled_adapter_has_scaled_parts(scale):
    plain = INTERNALIZER.internalize([DOCUMENTS[0]])
    (part,) = INTERNALIZER.divider.divide(INTERNALIZER.combine([(plain, scale)]))
    want = update(INTERNALIZER.combine([(plain, scale)]), (0, "down_proj"))
    found = update(part.adapter, (0, "down_proj"))
    torch.testing.assert_close(found, want, rtol=0, atol=0.02 * want.abs().max().item())


def test_a_document_of_one_token_has_no_part():
    internalizer = without_static_rows(has_start=False)
    with pytest.raises(AdapterError, match="too short"):
        internalizer.divider.divide(internalizer.internalize([document_from_text("a", "letter")]))


def test_without_a_reader_there_is_no_divider():
    assert tiny_internalizer(reader_width=0).divider is None


def test_what_cannot_be_divided_is_refused():
    adapter = INTERNALIZER.internalize([document_from_text("The mill opens at nine.", "mill")])
    with pytest.raises(AdapterError, match=r"keeps no tokens of mill.*--keep"):
        INTERNALIZER.divider.divide(INTERNALIZER.reduce(adapter, "none"))
    studied = replace(adapter, provenance=adapter.provenance.model_copy(update={"studied_seconds": 1.0}))
    with pytest.raises(AdapterError, match="without --study"):
        INTERNALIZER.divider.divide(studied)
    refined = replace(adapter, provenance=adapter.provenance.model_copy(update={"refined_seconds": 1.0}))
    with pytest.raises(AdapterError, match="internalize them again without --refine"):
        INTERNALIZER.divider.divide(refined)
