"""A decoding step as a list of operations that threads work through together.

Each operation is a row of integers: its kind, its number of parts, and addresses and sizes (see `operations`).
Threads take parts one by one, so an interrupted thread delays the others by one part only.

Shapes: as in `kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import carray, int64  # pyright: ignore[reportPrivateImportUsage]

from lorify.base.decoding.compiled.atomics import fetch_add, load, pointer_to, store, yield_thread
from lorify.base.decoding.compiled.compiler import compiled
from lorify.base.decoding.compiled.kernels import (
    attend,
    expand_rank,
    gate,
    multiply_row,
    multiply_rows,
    normalize,
    reduce_rank,
    rotate,
)
from lorify.base.decoding.compiled.layout import BLOCK
from lorify.base.weight_grids import GROUP

NORMALIZE, GATE, ROTATE, ATTEND, MULTIPLY, REDUCE = range(6)
ALONE, LEADER, HELPER = range(3)
RANKS = 16
"""Number of ranks of an update in one part of `REDUCE`."""

_SPINS = 2000  # a few microseconds, about as long as a part takes
_PART_BITS = 32
_PARTS = (1 << _PART_BITS) - 1
_COUNTER, _DONE = 0, 16  # indices in the control block, far enough apart for separate cache lines
CONTROL_WORDS = 32
"""Size of the block by which threads share an operation."""


@compiled
def _floats(address, shape):
    return carray(pointer_to(address), shape, np.float32)


@compiled
def _row(address, n, width):
    return _floats(address + 4 * n * width, (width,))


@compiled
def _do_normalize(op, scalar, n):
    x, weight, out, width = op[2], op[3], op[4], op[5]
    normalize(_row(x, n, width), _row(weight, 0, width), scalar, _row(out, n, width))


@compiled
def _do_gate(op, n):
    joined, out, width = op[2], op[3], op[4]
    gate(_row(joined, n, 2 * width), _row(out, n, width))


@compiled
def _do_rotate(op, n):
    joined, width, heads, kv_heads, channels = op[2], op[3], op[4], op[5], op[6]
    cos, sin = _row(op[7], n, channels), _row(op[8], n, channels)
    position = carray(pointer_to(op[9] + 8 * n), (1,), np.int64)[0]
    size, own = op[12], _floats(joined + 4 * n * width, (heads + 2 * kv_heads, channels))
    rotate(own[:heads], cos, sin, own[:heads])
    rotate(own[heads : heads + kv_heads], cos, sin, own[heads : heads + kv_heads])
    for cache, first in ((op[10], heads), (op[11], heads + kv_heads)):
        for h in range(kv_heads):
            start = ((n * kv_heads + h) * size + position) * channels
            _row(cache + 4 * start, 0, channels)[:] = own[first + h]


@compiled
def _do_attend(op, scalar, part):
    joined, width, heads, kv_heads, channels = op[2], op[3], op[4], op[5], op[6]
    n, h = part // kv_heads, part % kv_heads
    length = carray(pointer_to(op[7] + 8 * n), (1,), np.int64)[0] + 1
    size, shared = op[11], heads // kv_heads
    start = 4 * part * size * channels
    offset = h * shared * channels
    attend(
        _floats(joined + 4 * (n * width + offset), (shared, channels)),
        _floats(op[8] + start, (length, channels)),
        _floats(op[9] + start, (length, channels)),
        scalar,
        _floats(op[10] + 4 * (n * heads * channels + offset), (shared, channels)),
    )


@compiled
def _do_multiply(op, part):
    groups, words, rows, x, size, out, accumulate = op[5], op[6], op[7], op[8], op[9], op[10], op[11]
    weights = carray(pointer_to(op[2] + 4 * part * groups * words * BLOCK), (groups, words, BLOCK), np.uint32)
    step = _floats(op[3] + 4 * part * groups * BLOCK, (groups, BLOCK))
    low = _floats(op[4] + 4 * part * groups * BLOCK, (groups, BLOCK))
    y = np.empty((rows, BLOCK), np.float32)
    inputs = _floats(x, (rows, groups * GROUP))
    if rows == 1:
        multiply_row(weights, step, low, inputs, y)
    else:
        multiply_rows(weights, step, low, inputs, y)
    first = part * BLOCK
    width = min(BLOCK, size - first)
    rank = op[12]
    for n in range(rows):
        if rank > 0:
            B = _floats(op[14] + 4 * n * op[15], (rank, size))
            expand_rank(_row(op[13], n, rank), B, first, y[n, :width])
        target = _floats(out + 4 * (n * size + first), (width,))
        if accumulate:
            for o in range(width):
                target[o] += y[n, o]
        else:
            for o in range(width):
                target[o] = y[n, o]


@compiled
def _do_reduce(op, part):
    x, width, A, row_size, rank, out = op[2], op[3], op[4], op[5], op[6], op[7]
    parts = (rank + RANKS - 1) // RANKS
    n, start = part // parts, part % parts * RANKS
    stop = min(start + RANKS, rank)
    reduce_rank(_row(x, n, width), _floats(A + 4 * n * row_size, (rank, width)), start, stop, _row(out, n, rank))


@compiled
def _do_part(op, scalar, part):
    kind = op[0]
    if kind == MULTIPLY:
        _do_multiply(op, part)
    elif kind == ATTEND:
        _do_attend(op, scalar, part)
    elif kind == REDUCE:
        _do_reduce(op, part)
    elif kind == NORMALIZE:
        _do_normalize(op, scalar, part)
    elif kind == GATE:
        _do_gate(op, part)
    else:
        _do_rotate(op, part)


def prepare_step(control: np.ndarray) -> None:
    """Make threads wait for the first operation; until this call they return at once, since the last step has ended."""
    control[_COUNTER] = (1 << (_PART_BITS - 1)) - 1


@compiled
def _lead(operations, scalars, control, is_shared):
    counter, done = control.ctypes.data + 8 * _COUNTER, control.ctypes.data + 8 * _DONE
    for index in range(len(operations)):
        op, scalar = operations[index], scalars[index]
        parts = op[1]
        if parts == 1 or not is_shared:
            for part in range(parts):
                _do_part(op, scalar, part)
            continue
        store(done, int64(0))
        store(counter, int64(index) << _PART_BITS)
        while True:
            part = fetch_add(counter, int64(1)) & _PARTS
            if part >= parts:
                break
            _do_part(op, scalar, part)
            fetch_add(done, int64(1))
        spins = 0
        while load(done) < parts:
            spins += 1
            if spins > _SPINS:
                yield_thread()
    store(counter, int64(len(operations)) << _PART_BITS)


@compiled
def _help(operations, scalars, control):
    counter, done = control.ctypes.data + 8 * _COUNTER, control.ctypes.data + 8 * _DONE
    spins = 0
    while True:
        state = load(counter)
        index, part = state >> _PART_BITS, state & _PARTS
        if index >= len(operations):
            return
        if part < operations[index, 1]:
            # The operation may have changed since, and the last part may have been taken.
            state = fetch_add(counter, int64(1))
            index, part = state >> _PART_BITS, state & _PARTS
            if index < len(operations) and part < operations[index, 1]:
                _do_part(operations[index], scalars[index], part)
                fetch_add(done, int64(1))
                spins = 0
                continue
        spins += 1
        if spins > _SPINS:
            yield_thread()


@compiled
def run_step(operations, scalars, control, role):
    """Work through all operations, or help the thread that does until it has finished.

    One function serves all roles, since Numba compiles the operations again for each function that calls them.

    Args:
        operations: one row of 64-bit integers per operation.
        scalars: one float32 per operation.
        control: the block of `CONTROL_WORDS` numbers for this list of operations.
        role: `ALONE`, `LEADER` of other threads, or `HELPER`.
    """
    if role == HELPER:
        _help(operations, scalars, control)
    else:
        _lead(operations, scalars, control, role == LEADER)
