"""The whole path of Text-to-LoRA in miniature: data, training, baselines, watching and the tables, on the CPU.

    python reproduce/text_to_lora.py -o runs/t2l-miniature

Every step is a command of lorify, as in docs/reproduce-text-to-lora.md, with the published recipes and small numbers.
The items are made up and nothing is trained for more than a few steps, so that the scores mean nothing: the run shows
that the path works, and what its tables look like.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from miniature_tasks import TASK_NUMBERS, write_miniature_tasks
from run_commands import add_workers_option, run_commands

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
    tasks = ["prepare-tasks", f"{sets}/lots-of-loras", "--tasks", ",".join(map(str, TASK_NUMBERS))]
    return [
        [*tasks, "-o", f"{output}/data/tasks", *described],
        [*tasks, "-o", f"{output}/data/tasks-with-definitions"],
        ["prepare-tasks", "benchmarks", "-o", f"{output}/data/benchmarks", "--items", f"{sets}/training", *described],
    ]


def _training(output: Path, scale: Scale) -> list[list[str]]:
    schedule = [f"optimization.steps={scale.steps}", "optimization.warmup_steps=1", f"evaluate_every={scale.steps}"]
    schedule += [f"checkpoint_every={scale.steps}", f"base={scale.base}"]
    through_base = [*schedule, "evaluation_batches=1", "data.tasks_per_batch=4", *scale.settings]
    embedder = f"hypernetwork.embedder={scale.embedder}"

    def train(name: str, recipe: str, *settings: str) -> list[str]:
        changes = [part for setting in settings for part in ("--set", setting)]
        return ["train", RECIPE.format(recipe), "-o", f"{output}/{name}", *changes]

    tasks = [*through_base, f"data.tasks_path={output}/data/tasks", f"snapshots_every={scale.steps // 2 or 1}"]
    definitions = f"data.tasks_path={output}/data/tasks-with-definitions"
    library = [*through_base, "data.instances_per_description=2", "data.tasks_per_batch=2"]
    rebuilding = [*schedule, f"library={output}/library-9/best"]
    return [
        *(train(f"sft-{size}", f"sft-{size}", *tasks, embedder) for size in "LMS"),
        train("sft-base-embedder", "sft-L", *tasks, "hypernetwork.embedder=base"),
        train("sft-definitions", "sft-L", *tasks, embedder, definitions),
        train("sft-2-tasks", "sft-L", *tasks, embedder, "data.max_tasks=2", "data.tasks_per_batch=2"),
        train("hyperdecoders", "hyperdecoders", *tasks, embedder),
        train("multi-task", "multi-task", *tasks),
        train("library-9", "library-9", *library, f"data.tasks_path={output}/data/benchmarks"),
        train("library-479", "library-479", *library, f"data.tasks_path={output}/data/tasks"),
        *(
            train(f"reconstruction-9-{size}", "reconstruction-9", *rebuilding, embedder, f"hypernetwork.size={size}")
            for size in "LMS"
        ),
        *(
            train(f"one-hot-{size}", "reconstruction-9", *rebuilding, "hypernetwork.embedder=one_hot",
                  f"hypernetwork.size={size}")
            for size in "LMS"
        ),
        train("reconstruction-479", "reconstruction-479", *schedule, embedder, f"library={output}/library-479/best"),
        ["watch", f"{output}/sft-L", "--once", "--data", f"{output}/sets/test", "--items", str(scale.items),
         "--max-tokens", str(scale.max_tokens)],
    ]  # fmt: skip


def _evaluations(output: Path, scale: Scale) -> list[list[str]]:
    suite = f"benchmarks:path={output}/sets/test:items={scale.items}:descriptions=1:run_programs=true"

    def adapter(name: str) -> str:
        return f"adapter:hypernetwork={output}/{name}/best"

    baselines = [
        f"average:path={output}/library-479/best",
        f"multi_task:path={output}/multi-task/best",
        f"hyperdecoders:hypernetwork={output}/hyperdecoders/best",
    ]
    zero_shot = ["none", "description", "three_shot", *baselines, adapter("sft-S"), adapter("sft-M"), "adapter"]
    with_examples = ["none", "three_shot", "description:examples=true", f"{baselines[1]}:examples=true"]
    with_examples += ["adapter:examples=true"]
    sizes = [adapter(f"{kind}-{size}") for kind in ("one-hot", "reconstruction-9") for size in "LMS"]
    oracle, described = f"oracle:path={output}/library-9/best", f"{output}/reconstruction-9-L/best"
    descriptions = [f"restored:hypernetwork={described}:path={output}/library-9/best"]
    descriptions += [f"{method}:hypernetwork={described}" for method in ("adapter", "mismatched", "random")]
    variants = [adapter(name) for name in ("sft-2-tasks", "sft-base-embedder", "sft-definitions", "reconstruction-479")]
    rebuilt = [f"oracle:path={output}/library-479/best"]
    rebuilt += [f"restored:hypernetwork={output}/reconstruction-479/best:path={output}/library-479/best"]

    def evaluate(name: str, chosen: str, methods: list[str]) -> list[str]:
        return [
            *("eval", "run", chosen, "-m", ",".join(methods), "-o", f"{output}/eval/{name}", "--untimed"),
            *("--max-tokens", str(scale.max_tokens), "--base", scale.base),
            *("--task-hypernetwork", f"{output}/sft-L/best-by-benchmarks"),
        ]

    return [
        evaluate("zero-shot", suite, zero_shot),
        evaluate("with-examples", suite, with_examples),
        evaluate("reconstruction", f"{suite}:names={NINE}", ["none", *sizes, oracle]),
        evaluate("descriptions", f"{suite}:names={NINE}", descriptions),
        evaluate("variants", suite, ["adapter", *variants]),
        evaluate("tasks-rebuilt", f"tasks:path={output}/data/tasks:instances=1:seeds=1", rebuilt),
    ]


def main() -> None:
    """Write the data and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/t2l-miniature"))
    parser.add_argument("--base", default=Scale.base)
    add_workers_option(parser)
    options = parser.parse_args()
    write_miniature_tasks(options.output / "sets")
    run_commands(commands(options.output, Scale(base=options.base)), options.output, workers=options.workers)
    print(f"the tables are {options.output}/eval/*/benchmarks.csv")


if __name__ == "__main__":
    main()
