"""Decoding speed, side by side in one run: transformers' `generate`, lorify without and with adapters, llama.cpp.

    python benchmarks/decoding.py
    python benchmarks/decoding.py --gguf MODEL.gguf --tokens 64 --rounds 5

llama.cpp takes part where the package xllamacpp is installed (`pip install lorify[llama]`) and there is a GGUF file of
the base, as there is of the default one.

The contestants take turns, so that whatever else the machine does slows all of them alike; of each the median round
counts, and the ratios are what to read. Every contestant decodes the same number of tokens, none stops early, and the
time to read the prompt is in it.
"""

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

import lorify
from lorify.adapters import Adapter, build_lora_batch
from lorify.adapters.exports.gguf import export_gguf
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.files.gguf_conversion import GGUF_NAME
from lorify.base.files.locate import DEFAULT_BASE, resolve_base
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.data.facts.generate import generate_fact_example

PROMPT_TOKENS = 32
ROWS = 32

Contestant = Callable[[], object]
llama_cpp_server: Any = None  # of the process that `start_llama_cpp` ran in


def main() -> None:
    parser = argparse.ArgumentParser(description="Decoding speed, as ratios side by side.")
    parser.add_argument("--base", default=DEFAULT_BASE, help="default name, hub id, folder or GGUF file")
    parser.add_argument(
        "--hypernetwork", type=Path, help="hypernetwork folder; default: the one that ships for the base"
    )
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="dtype of the weights; default: the fastest")
    parser.add_argument("--gguf", type=Path, help="the same model as GGUF; default: the one beside the base")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens per prompt")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--single", action="store_true", help="one prompt only")
    options = parser.parse_args()

    model = lorify.load(
        options.base, hypernetwork=options.hypernetwork, dtype=options.dtype and getattr(torch, options.dtype)
    )
    base = model.base
    row_adapters = adapters(model, 1 if options.single else ROWS)
    print(f"{base.name}, {base.dtype}, {base.device}, {torch.get_num_threads()} threads, {options.tokens} new tokens")
    single: dict[str, Contestant] = {
        "transformers generate": transformers_generate(base, options.tokens),
        "lorify": ours(base, 1, None, options.tokens),
        "lorify, one adapter": ours(base, 1, build_lora_batch(row_adapters[:1], base), options.tokens),
    }
    with tempfile.TemporaryDirectory(prefix="lorify-") as folder:
        others = LlamaCpp.of(base, options.gguf or gguf_of(options.base), row_adapters[0], Path(folder))
        if others is not None:
            single |= others.contestants(base, 1, options.tokens)
        report("one prompt", single, options.tokens, options.rounds)
        if options.single:
            return
        batch = {
            "lorify": ours(base, ROWS, None, options.tokens),
            f"lorify, {ROWS} adapters": ours(base, ROWS, build_lora_batch(row_adapters, base), options.tokens),
        }
        if others is not None:
            batch |= others.contestants(base, ROWS, options.tokens)
        report(f"{ROWS} prompts", batch, options.tokens * ROWS, options.rounds)


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


def prompts(base: BaseLM, rows: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(3, base.model.config.vocab_size, (rows, PROMPT_TOKENS), generator=generator).tolist()


def adapters(model: lorify.Lorify, rows: int) -> list[Adapter]:
    """An adapter a row, each of a document of its own."""
    rng = random.Random(0)
    texts = [generate_fact_example(rng).documents[0] for _ in range(rows)]
    return [model.internalize(document_from_text(text, "facts")) for text in texts]


def ours(base: BaseLM, rows: int, lora: LoraBatch | None, num_tokens: int) -> Contestant:
    batch = prompts(base, rows)
    return lambda: generate_batch(base, batch, GenerationOptions(num_tokens), lora=lora, stop_ids=set())


def transformers_generate(base: BaseLM, num_tokens: int) -> Contestant:
    ids = torch.tensor(prompts(base, 1), device=base.device)
    return lambda: base.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        min_new_tokens=num_tokens,
        max_new_tokens=num_tokens,
        do_sample=False,
        pad_token_id=0,
    )


def gguf_of(base: str) -> Path | None:
    """The GGUF file that a base was made of, if it was."""
    path = resolve_base(base) / GGUF_NAME
    return path if path.is_file() else None


class LlamaCpp:
    """llama.cpp with a model and an adapter.

    Its servers run in processes of their own: beside them, PyTorch's threads would go to sleep between operations.
    """

    def __init__(self, gguf: Path, adapter: Path) -> None:
        self._files = str(gguf), str(adapter)

    @classmethod
    def of(cls, base: BaseLM, gguf: Path | None, adapter: Adapter, folder: Path) -> "LlamaCpp | None":
        """llama.cpp where both it and the base's GGUF file are there."""
        try:
            import xllamacpp  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ImportError:
            print("llama.cpp left out: install it with `pip install lorify[llama]`")
            return None
        if gguf is None:
            print("llama.cpp left out: give the base as a GGUF file with --gguf")
            return None
        export_gguf(adapter, base, folder / "adapter.gguf")
        return cls(gguf, folder / "adapter.gguf")

    def contestants(self, base: BaseLM, rows: int, num_tokens: int) -> dict[str, Contestant]:
        """Decode that many prompts at once, without and with the adapter."""
        process = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=start_llama_cpp,
            initargs=(*self._files, rows, num_tokens, torch.get_num_threads()),
        )
        batch = prompts(base, rows)

        def decoding(scale: float) -> Contestant:
            return lambda: process.submit(ask_llama_cpp, batch, scale, num_tokens).result()

        return {"llama.cpp": decoding(0.0), "llama.cpp, one adapter": decoding(1.0)}


def start_llama_cpp(gguf: str, adapter: str, rows: int, num_tokens: int, threads: int) -> None:
    """Have a server in this process."""
    import xllamacpp  # pyright: ignore[reportMissingImports]

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0)]
    params.n_ctx = 2 * (PROMPT_TOKENS + num_tokens) * rows
    params.n_parallel = rows
    params.verbosity = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # idle threads that spin would slow the others
    global llama_cpp_server
    llama_cpp_server = xllamacpp.Server(params)


def ask_llama_cpp(batch: list[list[int]], scale: float, num_tokens: int) -> None:
    """Decode prompts at once with the server of this process."""

    def ask(prompt: list[int]) -> None:
        usage = llama_cpp_server.handle_completions(
            {
                "prompt": prompt,
                "max_tokens": num_tokens,
                "temperature": 0,
                "ignore_eos": True,
                "cache_prompt": False,
                "lora": [{"id": 0, "scale": scale}],
            }
        )["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (PROMPT_TOKENS, num_tokens), usage

    with ThreadPoolExecutor(len(batch)) as pool:
        list(pool.map(ask, batch))


if __name__ == "__main__":
    main()
