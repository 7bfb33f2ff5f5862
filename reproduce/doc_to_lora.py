"""The whole path of Doc-to-LoRA in miniature: data, both training stages, all evaluations and the table, on the CPU.

    python reproduce/doc_to_lora.py -o runs/d2l-miniature

Every step is a command of lorify, as in docs/reproduce-doc-to-lora.md, with small numbers. The hypernetworks are
trained for a few steps only, so that the scores mean nothing: the run shows that the path works, and what its table
looks like.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniature_data import LONGBENCH, write_miniature
from miniature_eyes import write_eyes
from run_commands import add_workers_option, run_commands

CONFIG = "configs/d2l/smollm2-135m-miniature{}.json"
SHORT_SETS = ("squad", "drop", "ropes")
RATES = ("0.9", "0.8", "0.6", "0.4", "0.2", "0.1")
VARIANTS = ("no-qa", "rank-16", "next-token", "eyes")


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        base: the base model.
        contexts: contexts of each set to train on.
        questions: questions of each evaluation.
        epochs: passes of context distillation.
        rounds: rounds of questions for context distillation; the paper has 4 (SQuAD-100: 4, 10 and 20).
        answer_tokens: longest answer of the base in context distillation.
        max_tokens: longest answer in evaluation.
        lengths: lengths of the haystacks.
        settings: further settings of the training runs, `KEY=VALUE`.
        compressor: LLMLingua-2's model, or None to leave the method out.
        task_hypernetwork: task hypernetwork of method t2l; None: the one that ships for the base.
    """

    base: str = "smollm2-135m"
    contexts: int = 3
    questions: int = 1
    epochs: int = 3
    rounds: int = 1
    answer_tokens: int = 24
    max_tokens: int = 16
    lengths: tuple[int, ...] = (256, 1024)
    settings: tuple[str, ...] = ()
    compressor: str | None = None
    task_hypernetwork: str | None = None


def commands(output: Path, scale: Scale) -> list[list[str]]:
    """All commands of the path, in order; the data sets are in `output/sets`."""
    return [*_data(output, scale), *_training(output, scale), *_evaluations(output, scale), _table(output, scale)]


def _data(output: Path, scale: Scale) -> list[list[str]]:
    sets, data = output / "sets", output / "data"
    base = ["--prompts", "published", "--base", scale.base, "--limit", str(scale.contexts)]
    base += ["--answer-tokens", str(2 * scale.answer_tokens)]
    texts = ["generate-data", f"{sets}/texts.jsonl", "-o", f"{data}/fineweb-edu", "--rounds", "2", "--questions", "1"]
    return [
        [*texts, "--short", *base],
        *(
            ["generate-data", f"{sets}/{name}-train.jsonl", "--dataset", name, "-o", f"{data}/{name}", *base]
            for name in (*SHORT_SETS, "pwc")
        ),
    ]


def _training(output: Path, scale: Scale) -> list[list[str]]:
    settings = [f"base={scale.base}", *scale.settings]
    stored = [f"data.self_generated_path={output}/data"]

    def train(stage: str, name: str, *more: str) -> list[str]:
        sets = [part for setting in (*settings, *more) for part in ("--set", setting)]
        return ["train", CONFIG.format(stage), "-o", str(output / name), *sets]

    return [
        train("", "main", *stored),
        train("-chunks", "main-chunks", *stored, f"init_from={output}/main/last"),
        train("", "main-no-qa", *stored, 'data.self_generated_files=["fineweb-edu/*.parquet"]'),
        train("", "main-rank-16", *stored, "hypernetwork.rank=16"),
        train("", "main-next-token", *stored, "optimization.loss=cross_entropy"),
        train("", "main-eyes", *stored, f"hypernetwork.encoder_model={output}/sets/encoder"),
        train("-niah", "niah"),
    ]


def _evaluations(output: Path, scale: Scale) -> list[list[str]]:
    cd = f"epochs={scale.epochs}:answer_tokens={scale.answer_tokens}"
    oracle, generated = f"cd_d2l:train_on=test_questions:{cd}", f"cd_d2l:writer=base:{cd}:rounds="
    d2l = "adapter:chunk_tokens=8192"
    both = [d2l, f"{d2l}:iterative=true"]
    others = [f"adapter:hypernetwork={output}/main-{name}/last:chunk_tokens=8192" for name in VARIANTS]
    compressed = [f"llmlingua2:rate={rate}:model={scale.compressor}" for rate in RATES if scale.compressor]
    main = ["none", "icl", *compressed, oracle, f"{generated}{scale.rounds}", "t2l:describe=document", *both, *others]
    long = ["none", "icl", *compressed, oracle, f"{generated}{scale.rounds}", "t2l:describe=document", *both]

    task_hypernetwork = ["--task-hypernetwork", scale.task_hypernetwork] if scale.task_hypernetwork else []

    def evaluate(name: str, dataset: str, methods: Sequence[str], *options: str) -> list[str]:
        suite = f"d2l:dataset={dataset}:path={output}/sets/{dataset}-test.jsonl:questions={scale.questions}"
        return [
            *("eval", "run", ":".join([suite, *options]), "-m", ",".join(methods)),
            *("-o", str(output / "eval" / name), "--max-tokens", str(scale.max_tokens)),
            *("--base", scale.base, "--hypernetwork", str(output / "main-chunks" / "last"), *task_hypernetwork),
        ]

    replaced = ["none", "icl", f"{generated}{scale.rounds}", d2l]
    next_token = f"adapter:hypernetwork={output}/main-next-token/last:chunk_tokens=8192"
    lengths = [part for length in scale.lengths for part in ("-l", str(length))]
    needles = ["--base", scale.base, "--hypernetwork", f"{output}/niah/last", "-o", f"{output}/eval/niah"]
    return [
        *(evaluate(name, name, main) for name in SHORT_SETS),
        *(evaluate(name, name, long) for name in LONGBENCH),
        evaluate(
            "squad-100",
            "squad",
            ["icl", oracle, *(f"{generated}{times * scale.rounds}" for times in (1, 2, 3)), d2l],
            "seed=1",
        ),
        evaluate("squad-flipped", "squad", [d2l, next_token], "flipped=true"),
        evaluate("squad-assistant", "squad", replaced, "context=assistant"),
        evaluate("squad-novel", "squad", replaced, f"context={output}/sets/novel.txt"),
        ["eval", "niah", *lengths, "--methods", "none,icl,adapter:chunk_tokens=1024", *needles],
        ["eval", "imagenette", "--images", f"{output}/sets/images", "--base", scale.base,
         "--hypernetwork", f"{output}/main-eyes/last", "-m", "adapter", "-o", f"{output}/eval/imagenette"],
    ]  # fmt: skip


def _table(output: Path, scale: Scale) -> list[str]:
    names = [*SHORT_SETS, *LONGBENCH, "squad-100", "squad-flipped", "squad-assistant", "squad-novel", "niah"]
    names += ["imagenette"]
    return ["eval", "table", *(f"{output}/eval/{name}" for name in names), "-o", f"{output}/table.md"]


def main() -> None:
    """Write the data and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/d2l-miniature"))
    parser.add_argument("--base", default=Scale.base)
    parser.add_argument("--compressor", help="LLMLingua-2 model: hub id or folder (pip install 'lorify[llmlingua]')")
    add_workers_option(parser)
    options = parser.parse_args()
    if options.compressor and importlib.util.find_spec("llmlingua") is None:
        parser.error("--compressor needs the package llmlingua; run `pip install 'lorify[llmlingua]'`")
    scale = Scale(base=options.base, compressor=options.compressor)
    write_miniature(options.output / "sets", num_train=scale.contexts, num_test=max(4, scale.questions))
    write_eyes(options.output / "sets", scale.base)
    run_commands(commands(options.output, scale), options.output, workers=options.workers)
    print(f"the table is in {options.output}/table.md")


if __name__ == "__main__":
    main()
