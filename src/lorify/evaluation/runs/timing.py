"""Measuring the time and memory of a piece of work, and of an answer token by token."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.loading import wait_for_device
from lorify.base.model import BaseLM

_STATUS_PATH = Path("/proc/self/status")
_RESET_PEAK_PATH = Path("/proc/self/clear_refs")


@dataclass
class Measurement:
    """Cost of a piece of work.

    Attributes:
        seconds: wall time.
        peak_bytes: peak memory of the whole process (CPU), or peak that PyTorch allocated (CUDA); None if the system
            does not report it.
    """

    seconds: float = 0.0
    peak_bytes: int | None = None


@contextmanager
def frozen_garbage() -> Iterator[None]:
    """Exclude existing objects from garbage collection, so that the collections in `measured` are fast."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def measured(device: torch.device) -> Iterator[Measurement]:
    """Measure the body of the `with` statement, after returning free memory to the system."""
    result = Measurement()
    gc.collect()
    _reset_peak(device)
    wait_for_device(device)
    started = time.perf_counter()
    yield result
    wait_for_device(device)
    result.seconds = time.perf_counter() - started
    result.peak_bytes = _peak_bytes(device)


@dataclass(frozen=True)
class TimedAnswer:
    """An answer and its cost.

    Attributes:
        text: the answer.
        prompt_tokens: length of the prompt.
        first_token_seconds: time from the question to the first token, including retrieval and the prompt.
        seconds_per_token: mean time of each further token; None if there is none.
        kv_cache_bytes: size of keys and values at the end of the answer.
        peak_bytes: as `Measurement.peak_bytes`.
    """

    text: str
    prompt_tokens: int
    first_token_seconds: float
    seconds_per_token: float | None
    kv_cache_bytes: int
    peak_bytes: int | None


def answer_timed(answerer: Answerer, build_query: Callable[[], Query], options: GenerationOptions) -> TimedAnswer:
    """Answer one question alone, greedily, token by token.

    Args:
        answerer: plans and decodes.
        build_query: builds the query; the time for this counts.
        options: length limit, and the form of the answer.

    Returns:
        The answer, with seconds and peak memory.
    """
    base = answerer.base
    ids: list[int] = []
    first = last = 0.0
    with measured(base.device) as measurement:
        started = time.perf_counter()
        plan = answerer.plan_query(build_query())
        for token in answerer.stream_ids(plan, options):
            last = time.perf_counter()
            first = first or last
            ids.append(token)
    num_prompt_tokens = len(plan.prompt_ids)
    is_decoded = plan.quoted_ids(options) is None  # the tokens of a quote take no time, and no cache
    return TimedAnswer(
        text=plan.clean(base.decode_text(ids)),
        prompt_tokens=num_prompt_tokens,
        first_token_seconds=(first or time.perf_counter()) - started,
        seconds_per_token=(last - first) / (len(ids) - 1) if len(ids) > 1 and is_decoded else None,
        kv_cache_bytes=kv_cache_bytes(base, num_prompt_tokens + len(ids)) if is_decoded else 0,
        peak_bytes=measurement.peak_bytes,
    )


def kv_cache_bytes(base: BaseLM, num_tokens: int) -> int:
    """Compute the size of the keys and values of one sequence; sliding-window layers store at most their window."""
    config = base.model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    channels = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    window = getattr(config, "sliding_window", None) or num_tokens
    layers = getattr(config, "layer_types", None) or ["full_attention"] * base.num_layers
    stored = sum(min(num_tokens, window) if layer == "sliding_attention" else num_tokens for layer in layers)
    return 2 * stored * heads * channels * base.dtype.itemsize


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif _RESET_PEAK_PATH.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only; others return memory on their own
        if trim is not None:
            trim(0)
        try:
            _RESET_PEAK_PATH.write_text("5")  # resets the peak of the resident set, see proc(5)
        except OSError:
            pass  # some sandboxes forbid it; the peak is then that of the whole run


def _peak_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS_PATH.exists():
        return None
    line = next(line for line in _STATUS_PATH.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
