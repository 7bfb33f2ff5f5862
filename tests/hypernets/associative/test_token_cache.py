from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_internalizer import DOCUMENTS, INTERNALIZER, LONG

from lorify.hypernets.associative.token_cache import CachedTokens, CacheLimits, choose_tokens
from lorify.hypernets.associative.words import words_ending_at


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
