"""Decoding speed, side by side in one run: transformers' `generate`, lorify without and with adapters, llama.cpp.

    python benchmarks/decoding.py
    python benchmarks/decoding.py --gguf MODEL.gguf --tokens 64 --rounds 5

The contestants take turns, so that whatever else the machine does slows all of them alike; of each the median round
counts, and the ratios are what to read. Every contestant decodes the same number of tokens, none stops early, and the
time to read the prompt is in it.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import lorify
from lorify.adapters import build_lora_batch
from lorify.base.files import DEFAULT_BASE
from lorify.base.generation import generate_batch
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseModel
from lorify.contexts.documents import document_from_text
from lorify.data.facts import generate_fact_example

PROMPT_TOKENS = 32
ROWS = 32

Contestant = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description="Decoding speed, as ratios side by side.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument("--hypernet", type=Path, help="hypernetwork folder; default: the one that ships for the base")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="dtype of the weights; default: the fastest")
    parser.add_argument("--gguf", type=Path, help="the same model as GGUF, for llama.cpp")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens per prompt")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    options = parser.parse_args()

    model = lorify.load(
        options.base, hypernetwork=options.hypernet, dtype=options.dtype and getattr(torch, options.dtype)
    )
    base = model.base
    print(f"{base.name}, {base.dtype}, {base.device}, {torch.get_num_threads()} threads, {options.tokens} new tokens")
    single: dict[str, Contestant] = {
        "transformers generate": transformers_generate(base, options.tokens),
        "lorify": ours(base, 1, None, options.tokens),
        "lorify, one adapter": ours(base, 1, adapters(model, 1), options.tokens),
    }
    if options.gguf:
        try:
            single["llama.cpp"] = llama_cpp(options.gguf, options.tokens)
        except ImportError:
            print("llama.cpp left out: install it with `pip install llama-cpp-python` (needs a C++ compiler)")
    report("one prompt", single, options.tokens, options.rounds)
    report(
        f"{ROWS} prompts",
        {
            "lorify": ours(base, ROWS, None, options.tokens),
            f"lorify, {ROWS} adapters": ours(base, ROWS, adapters(model, ROWS), options.tokens),
        },
        options.tokens * ROWS,
        options.rounds,
    )


def report(title: str, contestants: dict[str, Contestant], num_tokens: int, rounds: int) -> None:
    """Time the contestants in turns and print their speeds, and each as a multiple of the first."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - start)
    # The first turn warms up.
    speeds = {name: num_tokens / statistics.median(turns[1:]) for name, turns in seconds.items()}
    first = next(iter(speeds.values()))
    print(f"\n{title:<24}{'tokens/s':>10}{'ratio':>8}")
    for name, speed in speeds.items():
        print(f"{name:<24}{speed:>10.1f}{speed / first:>8.2f}")


def prompts(base: BaseModel, rows: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(3, base.model.config.vocab_size, (rows, PROMPT_TOKENS), generator=generator).tolist()


def adapters(model: lorify.Lorify, rows: int) -> LoraBatch | None:
    """An adapter a row, each of a document of its own."""
    rng = random.Random(0)
    texts = [generate_fact_example(rng).documents[0] for _ in range(rows)]
    return build_lora_batch([model.internalize(document_from_text(text, "facts")) for text in texts], model.base)


def ours(base: BaseModel, rows: int, lora: LoraBatch | None, num_tokens: int) -> Contestant:
    batch = prompts(base, rows)
    return lambda: generate_batch(base, batch, lora=lora, max_new_tokens=num_tokens, stop_ids=set())


def transformers_generate(base: BaseModel, num_tokens: int) -> Contestant:
    ids = torch.tensor(prompts(base, 1), device=base.device)
    return lambda: base.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        min_new_tokens=num_tokens,
        max_new_tokens=num_tokens,
        do_sample=False,
        pad_token_id=0,
    )


def llama_cpp(gguf: Path, num_tokens: int) -> Contestant:
    from llama_cpp import Llama  # pyright: ignore[reportMissingImports]

    model = Llama(str(gguf), n_ctx=PROMPT_TOKENS + num_tokens, n_threads=torch.get_num_threads(), verbose=False)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.n_vocab(), (PROMPT_TOKENS,), generator=generator).tolist()

    def decode() -> None:
        model.reset()
        for count, _ in enumerate(model.generate(ids, temp=0.0), start=1):
            if count == num_tokens:
                return

    return decode


if __name__ == "__main__":
    main()
