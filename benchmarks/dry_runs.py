"""Memory and operations of a training step, as the dry run states them and as they are measured, both in one run.

Run: python benchmarks/dry_runs.py [--tokens 200] [--kind task]
The bases are the default one and one with random weights in the shape of Gemma 2: eager attention, soft caps, a head of
256, a vocabulary that is large for its width. Steps of kinds `perceiver` and `task` run in bfloat16 on the CPU, with
batches of `--tokens` tokens; the dry run gets the lengths of contexts, questions and answers of that batch. What
PyTorch allocates is counted by its profiler, and operations by its FlopCounterMode.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

from lorify.base.files.locate import DEFAULT_BASE, resolve_base
from lorify.base.loading import load_base
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.text_to_lora.training_config import TaskTrainingConfig
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.objective import PerceiverObjective
from lorify.training.dry_run import DryRun
from lorify.training.engine.objective import Objective
from lorify.training.preparation import Preparation
from lorify.training.tasks.dry_run import dry_run_task
from lorify.training.tasks.sft import prepare_task

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


def perceiver_run(base: str, tokens: int) -> tuple[Callable[[], Objective], Callable[[Objective], DryRun]]:
    """Objective of a Perceiver run, and its estimate for a batch of the size that the objective draws first."""
    document = {
        "base": base,
        "hypernetwork": {"latent_size": 256, "num_blocks": 4, "num_heads": 8, "num_kv_heads": 2, "head_size": 64},
        "data": {"niah": 0, "facts": 1, "batch_context_tokens": tokens, "batch_question_tokens": tokens,
                 "questions_per_context": 3},
        "optimization": {"loss": "cross_entropy", "bf16": True},
    }  # fmt: skip

    def build() -> Objective:
        return PerceiverObjective(
            PerceiverTrainingConfig.model_validate(document), load_base(base, dtype=torch.bfloat16, device="cpu")
        )

    def estimate(objective: Objective) -> DryRun:
        assert isinstance(objective, PerceiverObjective)
        rows = objective.train_batches.build(0)
        contexts, questions = (sum(getattr(row, f"num_{k}_tokens") for row in rows) for k in ("context", "question"))
        document["data"] |= {"batch_context_tokens": contexts, "batch_question_tokens": questions}
        answers = sum(len(segment.answer) for row in rows for segment in row.segments)
        return dry_run(PerceiverTrainingConfig.model_validate(document), answer_share=answers / questions)

    return build, estimate


def task_run(base: str, tokens: int) -> tuple[Callable[[], Objective], Callable[[Objective], DryRun]]:
    """Objective of a task run, and its estimate for a batch of the size that the objective draws first."""
    document = {
        "base": base,
        "hypernetwork": {"size": "L", "modules": ["q_proj", "v_proj"]},
        "data": {"tasks_per_batch": 4, "instances_per_description": 1, "max_instance_tokens": tokens // 4},
        "optimization": {"bf16": True},
    }
    config = TaskTrainingConfig.model_validate(document)

    @contextmanager
    def silent(_what: str, _unit: str):
        yield lambda _done, _total: None

    def build() -> Objective:
        load = lambda name: load_base(name, dtype=torch.bfloat16, device="cpu")  # noqa: E731
        return prepare_task(config, Preparation(Path(), load, silent))

    def estimate(objective: Objective) -> DryRun:
        step = objective.samplers["train"].build(0)  # pyright: ignore[reportAttributeAccessIssue]
        longest = max(sum(len(s.prompt) + len(s.answer) for s in row) for row in step.rows)
        answers = sum(len(segment.answer) for row in step.rows for segment in row)
        document["data"]["max_instance_tokens"] = longest
        share = answers / (longest * len(step.rows))
        return dry_run_task(TaskTrainingConfig.model_validate(document), answer_share=share)

    return build, estimate


def measure(objective: Objective) -> tuple[int, float, float]:
    """Peak bytes, operations and CPU seconds of a step."""
    for parameter in objective.module.parameters():  # gradients stay allocated, as in a run
        parameter.grad = torch.zeros_like(parameter)
    started = time.process_time()
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler,
        FlopCounterMode(display=False) as operations,
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
    parser.add_argument("--kind", choices=("perceiver", "task"), help="only this kind")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bases = {"default base": DEFAULT_BASE, "Gemma-2-shaped": save_gemma_shaped(Path(folder) / "gemma")}
        kinds = {"task": task_run, "perceiver": perceiver_run}
        for kind, make in kinds.items():
            if arguments.kind not in (None, kind):
                continue
            for name, base in bases.items():
                build, estimate = make(base, arguments.tokens)
                objective = build()
                stated = estimate(objective)
                peak, flops, seconds = measure(objective)
                memory = f"{stated.activation_bytes / 2**20:7.1f} of {peak / 2**20:7.1f} MiB"
                operations = f"{stated.flops_a_step / 1e9:7.1f} of {flops / 1e9:7.1f} GFLOP"
                print(
                    f"{kind:<10}{name:<16} activations {memory} ({stated.activation_bytes / peak:.2f}), operations "
                    f"{operations} ({stated.flops_a_step / flops:.2f}), {seconds:.1f} s of CPU time",
                    flush=True,
                )


if __name__ == "__main__":
    main()
