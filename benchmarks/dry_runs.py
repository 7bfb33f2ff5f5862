"""Memory and operations of a training step, as the dry run states them and as they are measured, both in one run.

Run: python benchmarks/dry_runs.py [--tokens 200] [--kind task]
The bases are the default one and one with random weights in the shape of Gemma 2: eager attention, soft caps, a head of
256, a vocabulary that is large for its width. Steps of each kind (`dry_run_cases.py`) run in bfloat16 on the CPU, with
batches of about `--tokens` tokens; the dry run gets the lengths of contexts, questions and answers of that batch. What
PyTorch allocates is counted by its profiler, and operations by its FlopCounterMode with the fused attention of CPUs.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from typing import cast

import torch
from dry_run_cases import RUNS
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

from lorify.base.files.locate import DEFAULT_BASE, resolve_base
from lorify.training.engine.objective import Objective
from lorify.training.engine.peak_memory import CPU_ATTENTION_FLOPS

GEMMA_SHAPE = {
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 10,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "vocab_size": 49_152,
    "tie_word_embeddings": True,
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def save_gemma_shaped(folder: Path) -> str:
    """Save a base with random weights in the shape of Gemma 2, and the default base's tokenizer."""
    model = cast(nn.Module, Gemma2ForCausalLM(Gemma2Config.from_dict(GEMMA_SHAPE))).to(torch.bfloat16)
    cast(PreTrainedModel, model).save_pretrained(folder)
    source = Path(resolve_base(DEFAULT_BASE))
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copy(source / name, folder)
    return str(folder)


def measure(objective: Objective) -> tuple[int, float, float]:
    """Peak bytes, operations and CPU seconds of a step."""
    for parameter in objective.module.parameters():  # gradients stay allocated, as in a run
        parameter.grad = torch.zeros_like(parameter)
    started = time.process_time()
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler,
        FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION_FLOPS) as operations,
    ):
        objective.loss(0).loss.backward()
    seconds = time.process_time() - started
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in events)), float(operations.get_total_flops()), seconds


def main() -> None:
    """Print the estimates, the measures and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--kind", choices=tuple(RUNS), help="only this kind")
    parser.add_argument("--base", choices=("default base", "Gemma-2-shaped"), help="only this base")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bases = {"default base": DEFAULT_BASE, "Gemma-2-shaped": save_gemma_shaped(Path(folder) / "gemma")}
        for kind, make in RUNS.items():
            if arguments.kind not in (None, kind):
                continue
            for name, base in bases.items():
                if arguments.base not in (None, name):
                    continue
                build, estimate = make(base, arguments.tokens)
                objective = build()
                stated = estimate(objective)
                peak, flops, seconds = measure(objective)
                memory = f"{stated.activation_bytes / 2**20:7.1f} of {peak / 2**20:7.1f} MiB"
                operations = f"{stated.flops_a_step / 1e9:7.1f} of {flops / 1e9:7.1f} GFLOP"
                print(
                    f"{kind:<27}{name:<16} activations {memory} ({stated.activation_bytes / peak:.2f}), operations "
                    f"{operations} ({stated.flops_a_step / flops:.2f}), {seconds:.1f} s of CPU time",
                    flush=True,
                )


if __name__ == "__main__":
    main()
