"""Prefill: prompts processed in pieces give the same answers as whole ones."""

import random

import pytest
import torch
from base.decoding.test_generation import random_lora, row_of
from base.families import FAMILIES, family_base
from tiny import tiny_base

from lorify.base.decoding.batching import DecodingBatch, start_decoding
from lorify.base.decoding.prefill import Prefill, prefilled, supports_pieces
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM

PIECE = 16


def random_prompts(*lengths: int, shared: int = 0) -> list[list[int]]:
    rng = random.Random(1)
    beginning = [rng.randrange(5, 120) for _ in range(shared)]
    return [beginning + [rng.randrange(5, 120) for _ in range(length)] for length in lengths]


def in_pieces(base: BaseLM, prompts: list[list[int]], lora: LoraBatch | None, piece: int = PIECE) -> Prefill:
    prefill = Prefill(base, prompts, lora)
    while not prefill.is_complete:
        assert 0 < prefill.advance(piece) <= (piece if supports_pieces(base) else 1000)
    return prefill


def greedy(batch: DecodingBatch, prefill: Prefill, rows: list[int] | None = None, num: int = 6) -> list[list[int]]:
    """Add rows to a batch and return the greedy tokens of these rows alone."""
    start = len(batch)
    tokens = [batch.add_rows(prefill, rows).argmax(-1)]
    others = torch.full((start,), 7)
    for _ in range(num - 1):
        tokens.append(batch.step(torch.cat([others, tokens[-1]])).argmax(-1)[start:])
    return torch.stack(tokens, dim=1).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_change_no_logits_of_any_family(family: str) -> None:
    base = family_base(family)
    prompts = random_prompts(40, 23)
    for lora in (None, random_lora(base, 2, shared=True)):
        whole, pieces = prefilled(base, prompts, lora), in_pieces(base, prompts, lora)
        torch.testing.assert_close(pieces.logits, whole.logits, atol=1e-4, rtol=1e-4)
        expected = greedy(start_decoding(base, 100), whole)
        assert greedy(start_decoding(base, 100), pieces) == expected


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1])
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_answers_are_the_same_around_the_ends_of_pieces(family: str, length: int) -> None:
    base = tiny_base(family)
    prompts = random_prompts(length, 5, PIECE)
    for lora in (None, random_lora(base, 3, shared=True), random_lora(base, 3, shared=False)):
        expected = greedy(start_decoding(base, 100), prefilled(base, prompts, lora))
        assert greedy(start_decoding(base, 100), in_pieces(base, prompts, lora)) == expected


def test_other_rows_are_decoded_between_pieces() -> None:
    base = tiny_base()
    (prompt,) = random_prompts(50)
    lora = random_lora(base, 1, shared=True)
    expected = greedy(start_decoding(base, 100), prefilled(base, [prompt], lora))
    batch = start_decoding(base, 100)
    batch.add_rows(prefilled(base, [[5, 6, 7]], None))
    prefill = Prefill(base, [prompt], lora)
    while prefill.advance(PIECE):
        batch.step(torch.tensor([9]))
    assert greedy(batch, prefill) == expected


@pytest.mark.parametrize("piece", [1, 30, 64, 65, 200])
def test_a_common_beginning_is_processed_in_pieces_too(piece: int) -> None:
    base = tiny_base()
    prompts = random_prompts(3, 9, 5, shared=70)
    expected = greedy(start_decoding(base, 100), prefilled(base, prompts, None))
    assert greedy(start_decoding(base, 100), in_pieces(base, prompts, None, piece)) == expected


@pytest.mark.parametrize("family", ["llama", "gemma3", "recurrent"])
@pytest.mark.parametrize("shared", [None, True, False])
def test_one_prompt_serves_several_rows(family: str, shared: bool | None) -> None:
    base = family_base("lfm2") if family == "recurrent" else tiny_base(family)
    prompts = random_prompts(20, 11)
    lora = None if shared is None else random_lora(base, 2, shared=shared)
    alone = [
        greedy(start_decoding(base, 100), prefilled(base, [prompt], None if lora is None else row_of(lora, i)))[0]
        for i, prompt in enumerate(prompts)
    ]
    rows = [1, 0, 1, 1]
    batch = start_decoding(base, 100)
    assert greedy(batch, prefilled(base, prompts, lora), rows) == [alone[i] for i in rows]
    assert len(batch) == 4


def test_bases_that_cannot_continue_a_prompt_process_it_whole() -> None:
    base = tiny_base()
    assert supports_pieces(base)
    assert not supports_pieces(family_base("lfm2"))
    base.model.config.rope_parameters = dict(base.model.config.rope_parameters, rope_type="dynamic")
    assert not supports_pieces(base)
    assert Prefill(base, random_prompts(40), None).advance(PIECE) == 40


def test_rows_leave_a_batch_of_a_recurrent_base() -> None:
    base = family_base("lfm2")
    prompts = random_prompts(9, 9, 9)
    expected = [greedy(start_decoding(base, 100), prefilled(base, [prompt], None))[0] for prompt in prompts]
    batch = start_decoding(base, 100)
    first = batch.add_rows(prefilled(base, prompts, None)).argmax(-1).tolist()
    batch.drop_row(0)
    rows = [[first[2]], [first[1]]]
    for _ in range(5):
        for row, token in zip(
            rows, batch.step(torch.tensor([row[-1] for row in rows])).argmax(-1).tolist(), strict=True
        ):
            row.append(token)
    assert rows == [expected[2], expected[1]]


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_wait_while_others_of_very_different_length_go_on(family: str) -> None:
    base = family_base(family)
    prompts = random_prompts(9, 9, 80, 9)
    lora = random_lora(base, len(prompts), shared=False)
    expected = [
        greedy(start_decoding(base, 200), prefilled(base, [prompt], row_of(lora, i)), num=9)[0]
        for i, prompt in enumerate(prompts)
    ]
    batch = start_decoding(base, 200)
    rows = [[token] for token in batch.add_rows(prefilled(base, prompts, lora)).argmax(-1).tolist()]
    for some in ([0, 3], [0, 1, 2, 3], [1, 2], [0, 2, 3], [1], [0, 1, 2, 3], [2, 3], [1, 2], [0, 1]):
        tokens = torch.tensor([rows[row][-1] for row in some])
        for row, token in zip(some, batch.step(tokens, some).argmax(-1).tolist(), strict=True):
            rows[row].append(token)
    assert all(row == whole[: len(row)] for row, whole in zip(rows, expected, strict=True))
    assert min(map(len, rows)) == 6
