"""The whole path of Text-to-LoRA in miniature: data, training, baselines, watching and the tables, on the CPU.

    python reproduce/text_to_lora.py -o runs/t2l-miniature

Every step is a command of lorify, as in docs/reproduce-text-to-lora.md, with the published recipes and small numbers.
The items are made up and nothing is trained for more than a few steps, so that the scores mean nothing: the run shows
that the path works, and what its tables look like.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from miniature_tasks import TASK_NUMBERS, write_miniature_tasks

RECIPE = "configs/t2l/mistral-7b-instruct-v0.2-{}.json"
NINE = "arc_challenge+arc_easy+boolq+gsm8k+hellaswag+openbookqa+piqa+winogrande+mbpp"


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        base: the base model.
        embedder: encoder of the descriptions.
        steps: steps of each training run.
        items: items of each benchmark.
        max_tokens: longest answer.
        settings: further settings of the training runs through the base, `KEY=VALUE`.
    """

    base: str = "smollm2-135m"
    embedder: str = "all-MiniLM-L6-v2"
    steps: int = 4
    items: int = 1
    max_tokens: int = 6
    settings: tuple[str, ...] = ("optimization.bf16=false",)


def commands(output: Path, scale: Scale) -> list[list[str]]:
    """All commands of the path, in order; the made-up data is in `output/sets`."""
    return [*_data(output), *_training(output, scale), *_evaluations(output, scale)]


def _data(output: Path) -> list[list[str]]:
    sets, described = output / "sets", ["--descriptions", f"{output}/sets/descriptions"]
    numbers = ",".join(map(str, TASK_NUMBERS))
    return [
        ["prepare-tasks", f"{sets}/lots-of-loras", "-o", f"{output}/data/tasks", "--tasks", numbers, *described],
        ["prepare-tasks", "benchmarks", "-o", f"{output}/data/benchmarks", "--items", f"{sets}/training", *described],
    ]


def _training(output: Path, scale: Scale) -> list[list[str]]:
    schedule = [f"optimization.steps={scale.steps}", "optimization.warmup_steps=1", f"evaluate_every={scale.steps}"]
    schedule += [f"checkpoint_every={scale.steps}", f"base={scale.base}"]
    through_base = [*schedule, "evaluation_batches=1", "data.tasks_per_batch=4", *scale.settings]
    embedder = f"hypernetwork.embedder={scale.embedder}"

    def train(recipe: str, *settings: str) -> list[str]:
        changes = [part for setting in settings for part in ("--set", setting)]
        return ["train", RECIPE.format(recipe), "-o", f"{output}/{recipe}", *changes]

    tasks = [*through_base, f"data.tasks_path={output}/data/tasks", f"snapshots_every={scale.steps // 2 or 1}"]
    benchmarks = [*through_base, f"data.tasks_path={output}/data/benchmarks"]
    return [
        *(train(f"sft-{size}", *tasks, embedder) for size in "LMS"),
        train("hyperdecoders", *tasks, embedder),
        train("multi-task", *tasks),
        train("library-9", *benchmarks, "data.instances_per_description=2"),
        train("reconstruction-9", *schedule, embedder, f"library={output}/library-9/best"),
        ["watch", f"{output}/sft-L", "--once", "--data", f"{output}/sets/test", "--items", str(scale.items),
         "--max-tokens", str(scale.max_tokens)],
    ]  # fmt: skip


def _evaluations(output: Path, scale: Scale) -> list[list[str]]:
    suite = f"benchmarks:path={output}/sets/test:items={scale.items}:descriptions=1"
    sizes = [f"adapter:hypernetwork={output}/sft-{size}/best" for size in "MS"]
    baselines = [f"multi_task:path={output}/multi-task/best", f"hyperdecoders:hypernetwork={output}/hyperdecoders/best"]
    zero_shot = ["none", "description", "three_shot", *baselines, *sizes, "adapter", "mismatched", "random"]
    with_examples = [f"{baselines[0]}:examples=true", "adapter:examples=true"]
    rebuilt = [f"oracle:path={output}/library-9/best", f"adapter:hypernetwork={output}/reconstruction-9/best"]

    def evaluate(name: str, suite: str, methods: list[str]) -> list[str]:
        return [
            *("eval", "run", suite, "-m", ",".join(methods), "-o", f"{output}/eval/{name}", "--untimed"),
            *("--max-tokens", str(scale.max_tokens), "--base", scale.base),
            *("--task-hypernetwork", f"{output}/sft-L/best-by-benchmarks"),
        ]

    return [
        evaluate("zero-shot", f"{suite}:run_programs=true", [*zero_shot, *with_examples]),
        evaluate("reconstruction", f"{suite}:run_programs=true:names={NINE}", ["none", *rebuilt]),
    ]


def main() -> None:
    """Write the data, run the commands and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/t2l-miniature"))
    parser.add_argument("--base", default=Scale.base)
    options = parser.parse_args()
    write_miniature_tasks(options.output / "sets")
    started = time.perf_counter()
    for command in commands(options.output, Scale(base=options.base)):
        print("$ lorify", shlex.join(command), flush=True)
        before = time.perf_counter()
        subprocess.run([sys.executable, "-m", "lorify", *command], check=True)
        print(f"  {time.perf_counter() - before:.0f} s", flush=True)
    tables = f"{options.output}/eval/zero-shot/benchmarks.csv and {options.output}/eval/reconstruction/benchmarks.csv"
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes; the tables are {tables}")


if __name__ == "__main__":
    main()
