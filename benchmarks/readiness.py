"""From a page's upload until it can be asked: a server's `POST /v1/adapters` against the base's forward pass over it.

    python benchmarks/readiness.py

Prints the medians of interleaved runs. The server runs in a process of its own, and each page is posted once, since one
that is known is not internalized again. The bare forward is the base's own in this process, language-model head
included, with as many threads; it runs while the server is idle.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path

import httpx2
import torch
from internalizing import bare_forward, seconds
from kills import Server

import lorify
from lorify.base.files.locate import DEFAULT_BASE
from lorify.data.facts.generate import generate_fact_example

PAGE_TOKENS = 500
ALLOWED_RATIO, ALLOWED_SECONDS = 1.3, 0.05


def page_of(rng: random.Random, num_tokens: int, tokenizer) -> str:
    """A text of about so many tokens."""
    text = ""
    while len(tokenizer(text)["input_ids"]) < num_tokens:
        text += f"{generate_fact_example(rng).documents[0]}\n\n"
    return tokenizer.decode(tokenizer(text)["input_ids"][:num_tokens])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--tokens", type=int, default=PAGE_TOKENS, help="length of a page")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    model = lorify.load(options.base)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.base, Path(folder) / "store")
        try:
            with httpx2.Client(base_url=server.url, timeout=60) as client:
                posted, bare = [], []
                for run in range(options.runs + 2):
                    text = page_of(rng, options.tokens, model.base.tokenizer)
                    ids = model.base.tokenizer(text)["input_ids"]
                    body = {"documents": [{"name": f"page {run}", "text": text}]}
                    bare.append(seconds(lambda: bare_forward(model, ids)))  # noqa: B023
                    posted.append(seconds(lambda: client.post("/v1/adapters", json=body).raise_for_status()))  # noqa: B023
        finally:
            server.kill()
    posted, bare = posted[2:], bare[2:]  # the first warm up
    share = statistics.median(p / (ALLOWED_RATIO * b + ALLOWED_SECONDS) for p, b in zip(posted, bare, strict=True))
    print(
        f"{options.tokens} tokens, {torch.get_num_threads()} threads, medians of {len(posted)} runs: ready after "
        f"{statistics.median(posted):.3f} s, bare forward {statistics.median(bare):.3f} s; {share:.2f} of "
        f"{ALLOWED_RATIO} x forward + {ALLOWED_SECONDS * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
