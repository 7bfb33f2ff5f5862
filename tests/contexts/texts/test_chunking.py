import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_tokenizer

from lorify.contexts.texts.chunking import split_into_chunks, split_into_sentences

TOKENIZER = tiny_tokenizer()  # one token a byte
texts = st.text(st.sampled_from("ab .!?\n"), max_size=200)


def chunks_of(text: str, chunk_tokens: int) -> list[str]:
    return [TOKENIZER.decode(chunk) for chunk in split_into_chunks(text, TOKENIZER, chunk_tokens)]


@settings(deadline=None)
@given(texts, st.integers(2, 40))
def test_chunks_are_bounded_and_nothing_but_blanks_at_the_end_is_lost(text, chunk_tokens):
    chunks = list(split_into_chunks(text, TOKENIZER, chunk_tokens))
    assert all(0 < len(chunk) <= chunk_tokens for chunk in chunks)
    assert "".join(map(TOKENIZER.decode, chunks)) == "".join(split_into_sentences(text))
    assert text.startswith("".join(split_into_sentences(text)))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=120), st.integers(1, 30))
def test_any_text_is_covered_whatever_its_script(text, chunk_tokens):
    pieces = "".join(split_into_sentences(text))
    assert text.startswith(pieces) and not text[len(pieces) :].strip()
    chunks = list(split_into_chunks(text, TOKENIZER, chunk_tokens))
    assert all(0 < len(chunk) <= chunk_tokens for chunk in chunks)
    # A character may be cut between its bytes, so the tokens are put together before they are read.
    assert TOKENIZER.decode([token for chunk in chunks for token in chunk]) == pieces


def test_chunks_end_where_sentences_end():
    text = "The mill opens at nine. It closes at six. Nobody works there on Sundays."
    assert chunks_of(text, 45) == ["The mill opens at nine. It closes at six.", " Nobody works there on Sundays."]


def test_a_paragraph_that_does_not_fit_the_rest_of_a_chunk_opens_the_next():
    first, second = "One sentence here. Another one follows.", "The second paragraph. It is short."
    assert chunks_of(f"{first}\n\n{second}", 60) == [first, f"\n\n{second}"]


def test_abbreviations_and_numbers_do_not_end_a_sentence():
    text = "Dr. Ada B. Moss paid 3.50 euros, e.g. for tea. Then she left."
    assert list(split_into_sentences(text)) == ["Dr. Ada B. Moss paid 3.50 euros, e.g. for tea.", " Then she left."]


def test_a_sentence_longer_than_a_chunk_is_cut():
    assert chunks_of("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_a_repeated_block_gives_repeated_chunks():
    block = "The grass is green. The sky is blue. Here we go.\n"
    chunks = chunks_of(block * 50, 4 * len(block))
    assert len(set(chunks)) <= 4 < len(chunks) // 2


@pytest.mark.parametrize("unit", ["Dr. ", "see Fig. 3 e.g. A. B. ", "\n \n", 'No. 5."""'], ids=repr)
def test_the_time_to_split_grows_with_the_text_only(unit: str) -> None:
    """Ends that are none, and blank lines, were searched again from the beginning of the piece."""
    text = unit * 40_000
    started = time.process_time()
    assert "".join(split_into_sentences(text)) == (text if unit.strip() else "")
    assert time.process_time() - started < 10


def test_abbreviations_in_the_middle_of_a_line_do_not_end_a_sentence():
    text = "Model: K3; Max. head: 4 m; Min. 2 bar. It takes 5 min. Then it stops."
    assert list(split_into_sentences(text)) == [
        "Model: K3; Max. head: 4 m; Min. 2 bar.",
        " It takes 5 min.",
        " Then it stops.",
    ]
