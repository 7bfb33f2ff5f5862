"""Seconds and memory of a piece of work, and an answer timed token by token."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from lorify.answering.answerer import Answerer
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.evaluation.methods.api import PreparedCase

_STATUS_PATH = Path("/proc/self/status")
_RESET_PEAK_PATH = Path("/proc/self/clear_refs")


@dataclass
class Measurement:
    """What a piece of work took.

    Attributes:
        seconds: wall time.
        peak_bytes: most memory in use meanwhile: of this process with all that it holds (CPU), or what PyTorch had
            allocated (CUDA); None where the system does not tell.
    """

    seconds: float = 0.0
    peak_bytes: int | None = None


@contextmanager
def quick_collection() -> Iterator[None]:
    """Let the garbage collector pass over what is there already, so that `measured` need not wait for it each time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def measured(device: torch.device) -> Iterator[Measurement]:
    """Measure what happens inside the `with`; memory that is free but not given back is given back first."""
    result = Measurement()
    gc.collect()
    _reset_peak(device)
    _finish(device)
    started = time.perf_counter()
    yield result
    _finish(device)
    result.seconds = time.perf_counter() - started
    result.peak_bytes = _peak_bytes(device)


@dataclass(frozen=True)
class TimedAnswer:
    """An answer and what it took.

    Attributes:
        text: the answer.
        prompt_tokens: length of the prompt.
        first_token_seconds: from the question to the first token: retrieval, prompt and all.
        seconds_per_token: of the further tokens; None if there was none.
        kv_cache_bytes: keys and values at the end of the answer.
        peak_bytes: as `Measurement.peak_bytes`.
    """

    text: str
    prompt_tokens: int
    first_token_seconds: float
    seconds_per_token: float | None
    kv_cache_bytes: int
    peak_bytes: int | None


def answer_timed(answerer: Answerer, prepared: PreparedCase, question: str, max_new_tokens: int) -> TimedAnswer:
    """Answer one question alone, greedily, token by token."""
    base = answerer.base
    ids: list[int] = []
    first = last = 0.0
    with measured(base.device) as measurement:
        started = time.perf_counter()
        plan = answerer.plan_query(prepared.query_for(question))
        for token in answerer.stream_ids(plan, GenerationOptions(max_new_tokens)):
            last = time.perf_counter()
            first = first or last
            ids.append(token)
    num_prompt_tokens = len(plan.prompt_ids)
    return TimedAnswer(
        text=base.decode_text(ids).strip(),
        prompt_tokens=num_prompt_tokens,
        first_token_seconds=(first or time.perf_counter()) - started,
        seconds_per_token=(last - first) / (len(ids) - 1) if len(ids) > 1 else None,
        kv_cache_bytes=kv_cache_bytes(base, num_prompt_tokens + len(ids)),
        peak_bytes=measurement.peak_bytes,
    )


def kv_cache_bytes(base: BaseLM, num_tokens: int) -> int:
    """Size of the keys and values of one sequence; layers with a sliding window keep no more than that."""
    config = base.model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    channels = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    window = getattr(config, "sliding_window", None) or num_tokens
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * base.num_layers
    kept = sum(min(num_tokens, window) if kind == "sliding_attention" else num_tokens for kind in kinds)
    return 2 * kept * heads * channels * base.dtype.itemsize


def _finish(device: torch.device) -> None:
    """Wait for work that was only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif _RESET_PEAK_PATH.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc; others give memory back by themselves
        if trim is not None:
            trim(0)
        try:
            _RESET_PEAK_PATH.write_text("5")  # resets the peak of the resident set, see proc(5)
        except OSError:
            pass  # sandboxes forbid it; the peak is then that of the whole run


def _peak_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS_PATH.exists():
        return None
    line = next(line for line in _STATUS_PATH.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
