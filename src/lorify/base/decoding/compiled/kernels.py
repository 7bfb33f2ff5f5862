"""The operations of a decoding step; each call computes a part of the output, so that threads can share the work.

Shapes: N rows, G groups of weights, H query heads, K key/value heads, C channels per head, T positions, R rank.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int32, uint32

from lorify.base.decoding.compiled.compiler import compiled
from lorify.base.decoding.compiled.layout import BLOCK
from lorify.base.weight_grids import GROUP

_FOUR, _EIGHT = uint32(15), uint32(255)


@compiled
def exponential(x):
    """exp(x) in float32 with a relative error of 2e-7; unlike the C library's, it can be vectorized.

    Source: Cephes, `expf`.
    """
    x = min(max(x, float32(-87.0)), float32(88.0))
    n = np.floor(x * float32(1.44269504088896341) + float32(0.5))
    x = x - n * float32(0.693359375) + n * float32(2.12194440e-4)
    p = float32(1.9875691500e-4)
    p = p * x + float32(1.3981999507e-3)
    p = p * x + float32(8.3334519073e-3)
    p = p * x + float32(4.1665795894e-2)
    p = p * x + float32(1.6666665459e-1)
    p = p * x + float32(5.0000001201e-1)
    return (p * x * x + x + float32(1.0)) * np.int32((int32(n) + 127) << 23).view(np.float32)


@compiled
def normalize(x, weight, epsilon, out):
    """Root-mean-square normalization of a row `x`."""
    total = float32(0.0)
    for i in range(len(x)):
        total += x[i] * x[i]
    scale = float32(1.0) / np.sqrt(total / float32(len(x)) + epsilon)
    for i in range(len(x)):
        out[i] = x[i] * scale * weight[i]


@compiled
def gate(joined, out):
    """SiLU of the first half of a row times its second half."""
    width = len(out)
    for i in range(width):
        g = joined[i]
        out[i] = g / (float32(1.0) + exponential(-g)) * joined[width + i]


@compiled
def rotate(heads, cos, sin, out):
    """Rotary position embedding of `heads [heads, C]` of a row."""
    half = heads.shape[1] // 2
    for h in range(heads.shape[0]):
        for c in range(half):
            low, high = heads[h, c], heads[h, half + c]
            out[h, c] = low * cos[c] - high * sin[c]
            out[h, half + c] = high * cos[half + c] + low * sin[half + c]


@compiled
def attend(queries, keys, values, scaling, out):
    """Attention of the query heads `[H / K, C]` that share keys and values `[T, C]`."""
    length, channels = keys.shape
    scores = np.empty(length, np.float32)
    for h in range(queries.shape[0]):
        largest = float32(-np.inf)
        for t in range(length):
            score = float32(0.0)
            for c in range(channels):
                score += queries[h, c] * keys[t, c]
            scores[t] = score * scaling
            largest = max(largest, scores[t])
        total = float32(0.0)
        for t in range(length):
            scores[t] = exponential(scores[t] - largest)
            total += scores[t]
        for c in range(channels):
            out[h, c] = float32(0.0)
        for t in range(length):
            weight = scores[t] / total
            for c in range(channels):
                out[h, c] += weight * values[t, c]


@compiled
def _add_four_bits(words, x, sums):
    """Add the product of one row `x [GROUP]` and the levels of a group `[4, BLOCK]`."""
    for k in range(4):
        i = 8 * k
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        x4, x5, x6, x7 = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        word = words[k]
        for o in range(BLOCK):
            w = word[o]
            sums[o] += (
                x0 * float32(int32(w & _FOUR))
                + x1 * float32(int32((w >> uint32(4)) & _FOUR))
                + x2 * float32(int32((w >> uint32(8)) & _FOUR))
                + x3 * float32(int32((w >> uint32(12)) & _FOUR))
                + x4 * float32(int32((w >> uint32(16)) & _FOUR))
                + x5 * float32(int32((w >> uint32(20)) & _FOUR))
                + x6 * float32(int32((w >> uint32(24)) & _FOUR))
                + x7 * float32(int32(w >> uint32(28)))
            )


@compiled
def _add_eight_bits(words, x, sums):
    """Add the product of one row `x [GROUP]` and the levels of a group `[8, BLOCK]`."""
    for k in range(8):
        i = 4 * k
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        word = words[k]
        for o in range(BLOCK):
            w = word[o]
            sums[o] += (
                x0 * float32(int32(w & _EIGHT))
                + x1 * float32(int32((w >> uint32(8)) & _EIGHT))
                + x2 * float32(int32((w >> uint32(16)) & _EIGHT))
                + x3 * float32(int32(w >> uint32(24)))
            )


@compiled
def multiply_row(words, step, low, x, out):
    """Product of one row `x [1, in]` and a block of outputs: `out [1, BLOCK]`.

    Args:
        words: the levels of the block `[G, GROUP * bits / 32, BLOCK]`.
        step: distance between two levels `[G, BLOCK]`.
        low: value of level 0 `[G, BLOCK]`.
        x: the input.
        out: the output.
    """
    sums = np.empty(BLOCK, np.float32)
    is_four_bits = words.shape[1] == 4
    out[:] = float32(0.0)
    for g in range(words.shape[0]):
        part = x[0, g * GROUP : (g + 1) * GROUP]
        sums[:] = float32(0.0)
        if is_four_bits:
            _add_four_bits(words[g], part, sums)
        else:
            _add_eight_bits(words[g], part, sums)
        total = float32(0.0)
        for i in range(GROUP):
            total += part[i]
        for o in range(BLOCK):
            out[0, o] += sums[o] * step[g, o] + total * low[g, o]


@compiled
def multiply_rows(words, step, low, x, out):
    """Product of rows `x [N, in]` and a block of outputs `out [N, BLOCK]`; levels are read once for all rows."""
    weights = np.empty((GROUP, BLOCK), np.float32)
    per_word = GROUP // words.shape[1]
    bits = uint32(32 // per_word)
    mask = (uint32(1) << bits) - uint32(1)
    out[:] = float32(0.0)
    for g in range(words.shape[0]):
        for k in range(words.shape[1]):
            for j in range(per_word):
                shift = uint32(j) * bits
                for o in range(BLOCK):
                    level = float32(int32((words[g, k, o] >> shift) & mask))
                    weights[k * per_word + j, o] = level * step[g, o] + low[g, o]
        for n in range(x.shape[0]):
            part = x[n, g * GROUP : (g + 1) * GROUP]
            for i in range(0, GROUP, 8):
                x0, x1, x2, x3 = part[i], part[i + 1], part[i + 2], part[i + 3]
                x4, x5, x6, x7 = part[i + 4], part[i + 5], part[i + 6], part[i + 7]
                w = weights[i : i + 8]
                for o in range(BLOCK):
                    out[n, o] += (x0 * w[0, o] + x1 * w[1, o] + x2 * w[2, o] + x3 * w[3, o]) + (
                        x4 * w[4, o] + x5 * w[5, o] + x6 * w[6, o] + x7 * w[7, o]
                    )


@compiled
def reduce_rank(x, A, start, stop, out):
    """Product of a row `x [in]` and some rows of `A [R, in]`."""
    for r in range(start, stop):
        total = float32(0.0)
        for i in range(len(x)):
            total += x[i] * A[r, i]
        out[r] = total


@compiled
def expand_rank(low, B, start, out):
    """Add the product of `low [R]` and columns of `B [R, out]` from `start` on to `out`."""
    for r in range(len(low)):
        weight = low[r]
        for o in range(len(out)):
            out[o] += weight * B[r, start + o]
