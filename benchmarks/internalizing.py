"""Internalizing against the base's bare forward pass over the same tokens, and peak memory against length.

    python benchmarks/internalizing.py
    python benchmarks/internalizing.py --kinds prose repetitive table --lengths 4096

Prints one line a document: seconds of both (medians of interleaved runs in one process), their ratio, the share of
reading its bytes, and the growth of the process's peak memory. The bare forward is the base's own, language-model head
included, over the tokens that are internalized (rows of tables in words), in windows of its own length where the
document is longer.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable

import torch

import lorify
from lorify.contexts.documents import MAX_BYTES, Document, document_from_bytes, document_from_text
from lorify.contexts.tables.markdown_rows import rows_in_words
from lorify.data.facts.generate import generate_fact_example

COLUMNS = ("name", "city", "opened", "visitors", "budget", "manager", "phone", "rating")
WORDS = "North River Stone Amber Quick Field Lantern Maple Harbour Copper".split()


def prose(rng: random.Random) -> str:
    """Different fact documents, so that no chunk comes twice."""
    return generate_fact_example(rng).documents[0] + "\n\n"


def repetitive(_rng: random.Random) -> str:
    """A wrapped line that comes again and again."""
    return "All work and no play makes Jack a dull boy, and all play and no work makes him a mere toy\n"


def row(rng: random.Random) -> str:
    """A row of a table."""
    words = [rng.choice(WORDS) for _ in range(4)]
    numbers = rng.randint(1900, 2020), rng.randint(100, 99_999), round(rng.random() * 1e5, 2)
    phone = f"+44 {rng.randint(1000, 9999)} {rng.randint(100_000, 999_999)}"
    cells = [f"{words[0]} {words[1]} {rng.randint(1, 9999)}", words[2], *numbers, words[3], phone, rng.randint(1, 5)]
    return ",".join(map(str, cells)) + "\n"


KINDS: dict[str, tuple[Callable[[random.Random], str], str]] = {
    "prose": (prose, ".txt"),
    "repetitive": (repetitive, ".txt"),
    "table": (row, ".csv"),
}
"""Name of a kind of document -> what makes a piece of it, and the suffix of its file."""


def file_of(kind: str, num_tokens: int, tokenizer) -> tuple[bytes, str]:
    """A file of about this many tokens once it is read, and its suffix."""
    make, suffix = KINDS[kind]
    rng, total = random.Random(0), 0
    parts = [",".join(COLUMNS) + "\n"] if kind == "table" else []
    extra = sum(len(tokenizer(f"{name}: ; ")["input_ids"]) for name in COLUMNS) if kind == "table" else 0
    while total < num_tokens:
        parts.append(make(rng))
        total += len(tokenizer(parts[-1])["input_ids"]) + extra
    return "".join(parts).encode(), suffix


@torch.inference_mode()
def bare_forward(model: lorify.Lorify, ids: list[int]) -> None:
    for start in range(0, len(ids), model.base.window_tokens):
        window = torch.tensor([ids[start : start + model.base.window_tokens]], device=model.base.device)
        model.base.model(window, use_cache=False, logits_to_keep=1)


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(model: lorify.Lorify, kind: str, length: int, runs: int) -> str:
    """Measure one document, and return the line about it."""
    data, suffix = file_of(kind, length, model.base.tokenizer)

    def read() -> Document:
        return document_from_bytes(data, f"file{suffix}", suffix, MAX_BYTES)

    document = read()
    ids = model.base.tokenizer(rows_in_words(document.text))["input_ids"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, bare, reading = [], [], []
    for _ in range(runs):
        bare.append(seconds(lambda: bare_forward(model, ids)))
        reading.append(seconds(read))
        ours.append(seconds(lambda: model.internalize(document)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ratio = statistics.median((a + r) / b for a, b, r in zip(ours, bare, reading, strict=True))
    return (
        f"{kind:<10} {len(ids):>7} tokens: internalize {statistics.median(ours):7.2f} s, reading "
        f"{statistics.median(reading):5.2f} s, bare forward {statistics.median(bare):7.2f} s, ratio {ratio:.2f}, "
        f"peak memory grew by {grown / 1024:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=["prose"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 1024, 4096, 16384])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    model = lorify.load()
    print(f"base {model.base.name}, {model.base.dtype}, {torch.get_num_threads()} threads")
    model.internalize(document_from_text("Warm up. " * 50))
    for length in options.lengths:
        for kind in options.kinds:
            print(measure(model, kind, length, options.runs), flush=True)


if __name__ == "__main__":
    main()
