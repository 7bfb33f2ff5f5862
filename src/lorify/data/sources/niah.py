"""Needle in a haystack: one sentence with a number, hidden in noise of a given length."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError

NOISE_BLOCK = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
NEEDLE = "The special magic number is {number}."
QUESTION = "What is the special magic number? Reply with only the number."
BLOCK_SEPARATOR = "\n"


def generate_niah_example(
    rng: random.Random,
    *,
    length_tokens: int,
    count_tokens: Callable[[str], int],
    depth_bin: int | None = None,
    num_bins: int = 10,
) -> Example:
    """Generate a haystack of at most `length_tokens` tokens with one needle, and the question about it.

    The haystack consists of identical lines of noise, with the needle on a line of its own. The number has four digits
    (`0000` to `9999`, leading zeros kept) and is the only answer.

    Args:
        rng: source of randomness; the same state gives the same example.
        length_tokens: maximum length of the document; its actual length is less than one line below it.
        count_tokens: counts the tokens of a text with the base's tokenizer; for any length it is called on only a few
            lines. A start or end token that it counts is counted once.
        depth_bin: which of `num_bins` equal ranges of lines contains the needle, from 0; None draws one uniformly.
        num_bins: number of depth bins.

    Returns:
        An example with one document, one question and source `niah`.

    Raises:
        EvaluationError: if the needle alone is longer than `length_tokens`, or `depth_bin` is not in the range.

    Source: Doc-to-LoRA, needle-in-a-haystack experiment (code: SakanaAI/doc-to-lora,
        `data/generate_ctx_magic_number.py`): same noise, needle, question, number range, separator and depth bins.
        Theirs draws lengths from a range of tokens and fixes the number of examples per depth bin; ours fills one
        length with as many lines as fit and leaves the depth bin to the caller or to chance.
    """
    if depth_bin is None:
        depth_bin = rng.randrange(num_bins)
    if not 0 <= depth_bin < num_bins:
        raise EvaluationError(f"depth bin {depth_bin} does not exist; expected 0 to {num_bins - 1}")
    number = f"{rng.randrange(10_000):04d}"
    needle = NEEDLE.format(number=number)
    num_noise = _num_noise_blocks(needle, length_tokens, count_tokens)
    num_before = _draw_position(rng, num_noise + 1, depth_bin, num_bins)
    lines = [NOISE_BLOCK] * num_before + [needle] + [NOISE_BLOCK] * (num_noise - num_before)
    return Example((BLOCK_SEPARATOR.join(lines),), (Question(QUESTION, (number,)),), "niah")


def _num_noise_blocks(needle: str, length_tokens: int, count_tokens: Callable[[str], int]) -> int:
    """Count the lines of noise that fit beside the needle; every further line adds the same number of tokens."""
    block, two_blocks = count_tokens(NOISE_BLOCK), count_tokens(NOISE_BLOCK + BLOCK_SEPARATOR + NOISE_BLOCK)
    needle_alone = count_tokens(needle)
    if needle_alone > length_tokens:
        raise EvaluationError(
            f"a haystack of {length_tokens} tokens cannot hold the needle; use at least {needle_alone} tokens"
        )
    # Counted between two blocks, because a tokenizer may merge the separator with the previous sentence.
    needle_between = count_tokens(BLOCK_SEPARATOR.join([NOISE_BLOCK, needle, NOISE_BLOCK])) - two_blocks
    added_by_block = two_blocks - block
    return max(0, (length_tokens - needle_between - block) // added_by_block + 1)


def _draw_position(rng: random.Random, num_lines: int, depth_bin: int, num_bins: int) -> int:
    """Draw a line in the depth bin; with fewer lines than bins, neighbouring bins share a line."""
    first = num_lines * depth_bin // num_bins
    last = -(-num_lines * (depth_bin + 1) // num_bins) - 1
    return rng.randint(first, last)
