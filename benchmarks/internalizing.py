"""Internalizing against the base's bare forward pass over the same tokens, and peak memory against length.

    python benchmarks/internalizing.py

Prints one line a length: seconds of both (medians of interleaved runs in one process), their ratio, and the growth of
the process's peak memory. The bare forward is the base's own, language-model head included, in windows of its own
length where the document is longer.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time

import torch

import lorify
from lorify.contexts.documents import Document, document_from_text
from lorify.data.facts.generate import generate_fact_example


def document_of(num_tokens: int, tokenizer) -> Document:
    """Different fact documents, one after the other, so that no chunk comes twice."""
    rng, texts, total = random.Random(0), [], 0
    while total < num_tokens:
        text = generate_fact_example(rng).documents[0]
        texts.append(text)
        total += len(tokenizer(text)["input_ids"])
    return document_from_text("\n\n".join(texts), "facts")


@torch.inference_mode()
def bare_forward(model: lorify.Lorify, ids: list[int]) -> None:
    for start in range(0, len(ids), model.base.window_tokens):
        window = torch.tensor([ids[start : start + model.base.window_tokens]], device=model.base.device)
        model.base.model(window, use_cache=False, logits_to_keep=1)


def seconds(action) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 1024, 4096, 16384])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    model = lorify.load()
    print(f"base {model.base.name}, {model.base.dtype}, {torch.get_num_threads()} threads")
    model.internalize(document_from_text("Warm up. " * 50))
    for length in options.lengths:
        document = document_of(length, model.base.tokenizer)
        ids = model.base.tokenizer(document.text)["input_ids"]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ours, bare = [], []
        ours.append(seconds(lambda: model.internalize(document)))  # noqa: B023
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        for _ in range(options.runs):
            bare.append(seconds(lambda: bare_forward(model, ids)))  # noqa: B023
            ours.append(seconds(lambda: model.internalize(document)))  # noqa: B023
        ours = ours[1:]
        ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
        print(
            f"{len(ids):>7} tokens: internalize {statistics.median(ours):7.2f} s, bare forward "
            f"{statistics.median(bare):7.2f} s, ratio {ratio:.2f}, peak memory grew by {grown / 1024:.0f} MiB"
        )


if __name__ == "__main__":
    main()
