from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_internalizer import DOCUMENTS, INTERNALIZER, LONG

from lorify.hypernets.associative.questions.word_matches import words_ending_at
from lorify.hypernets.associative.token_cache import CachedTokens, CacheLimits, choose_tokens


def memories_of(internalizer, *documents):
    _, memories = internalizer.documents_of(internalizer.internalize(documents))
    return memories


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 3), min_size=1))
def test_the_quantized_memory_gives_the_statistics_of_the_document(chosen):
    for document in memories_of(INTERNALIZER, *(DOCUMENTS[i] for i in sorted(chosen))):
        S, M = document.statistics.S, document.statistics.M
        found = document.tokens.memory.select(torch.arange(len(document.tokens.words))).statistics()
        torch.testing.assert_close(found.S, S, rtol=2e-3, atol=2e-3 * S.abs().max().item())
        torch.testing.assert_close(found.M, M, rtol=2e-2, atol=2e-2 * M.abs().max().item())


def test_tensors_of_cached_tokens_can_be_read_back():
    (document,) = memories_of(INTERNALIZER, DOCUMENTS[0])
    for tokens in (document.tokens, replace(document.tokens, memory=None)):
        found = CachedTokens.from_tensors(tokens.to_tensors(), torch.device("cpu"))
        assert found is not None and (found.memory is None) == (tokens.memory is None)
        for name, tensor in tokens.to_tensors().items():
            assert torch.equal(found.to_tensors()[name], tensor)
    assert CachedTokens.from_tensors({"S": torch.ones(1)}, torch.device("cpu")) is None


def test_few_chunks_are_encoded_again():
    (document,) = memories_of(replace(INTERNALIZER, limits=CacheLimits(memory_tokens=100)), LONG)
    tokens = document.tokens
    assert len(tokens.chunk_sizes) > 3
    factors = torch.rand(len(tokens.words), generator=torch.Generator().manual_seed(0))
    (chosen,) = choose_tokens([tokens], [factors], 30, 2)
    chunks, offsets = tokens.locate(chosen)
    assert len(chunks.unique()) == 2
    assert factors.argmax() in chosen
    for chunk, offset, index in zip(chunks.tolist(), offsets.tolist(), chosen.tolist(), strict=True):
        ids = tokens.chunk_ids(chunk)
        assert words_ending_at(ids[:-1], INTERNALIZER.base.tokenizer)[offset] == tokens.words[index]


def test_documents_with_a_memory_need_no_encoding():
    (long,) = memories_of(replace(INTERNALIZER, limits=CacheLimits(memory_tokens=100)), LONG)
    (short,) = memories_of(INTERNALIZER, DOCUMENTS[0])
    size = len(short.tokens.words)
    factors = [torch.zeros(len(long.tokens.words)), torch.ones(size)]
    _, chosen = choose_tokens([long.tokens, short.tokens], factors, size, 0)
    assert len(chosen) == size


def test_an_adapter_does_not_grow_with_the_number_of_its_documents():
    sizes = [record.num_tokens for record in INTERNALIZER.internalize(DOCUMENTS[:3]).provenance.documents]
    limits = CacheLimits(adapter_memory_tokens=sizes[0], adapter_tokens=sizes[0] + sizes[1])
    bounded = replace(INTERNALIZER, limits=limits)
    together = bounded.internalize(DOCUMENTS[:3])
    one_by_one = bounded.add(bounded.add(bounded.internalize(DOCUMENTS[:1]), DOCUMENTS[1:2]), DOCUMENTS[2:3])
    for adapter in (together, one_by_one):
        _, memories = bounded.documents_of(adapter)
        kept = [memory.tokens and memory.tokens.memory is not None for memory in memories]
        assert kept == [True, False, None]
        assert [memory.words.tolist() for memory in memories] == [
            memory.words.tolist() for memory in memories_of(INTERNALIZER, *DOCUMENTS[:3])
        ]
