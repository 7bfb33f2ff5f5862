"""Answering benchmarks through lm-eval.

The answers are stored like those of any other run, so that tables, intervals and comparisons work on them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorify.adapters.exports.peft import export_peft
from lorify.base.files.locate import resolve_base
from lorify.errors import EvaluationError, first_line
from lorify.evaluation.benchmarks.lm_eval_tasks import MAX_NEW_TOKENS, hub_task, local_task
from lorify.evaluation.benchmarks.names import DESCRIPTIONS, PROGRAMS, SOURCE, data_path
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.folder import append_answers
from lorify.evaluation.runs.records import AnswerRecord, RunConfig, run_config
from lorify.facade import Lorify

METHODS = ("none", "adapter")
HUB_METRICS = ("pass@1", "pass_at_1", "exact_match", "acc")
BATCH_ROWS = 8

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class BenchmarkRun:
    """A loaded model on a list of benchmarks.

    Attributes:
        model: base model and task hypernetwork.
        names: the benchmarks.
        seeds: number of descriptions of each benchmark.
        data_dir: folder of local copies; None: lm-eval fetches the items from the hub.
        limit: maximum number of items of each benchmark.
        simple_evaluate: lm-eval's function.
    """

    model: Lorify
    names: Sequence[str]
    seeds: int
    data_dir: Path | None
    limit: int | None
    simple_evaluate: Any

    def config(self) -> RunConfig:
        """Build the config of the run."""
        suite = f"{SOURCE} {','.join(self.names)} --seeds {self.seeds}"
        suite += f" --data {self.data_dir}" if self.data_dir else ""
        suite += f" --limit {self.limit}" if self.limit else ""
        methods = parse_methods(",".join(METHODS), "tasks")
        config = run_config(self.model, suite, [], methods, max_new_tokens=MAX_NEW_TOKENS, timed=False)
        items = [_file_digest(data_path(self.data_dir, name)) if self.data_dir else name for name in self.names]
        return config.model_copy(update={"items_sha256": hashlib.sha256("".join(items).encode()).hexdigest()})

    def answer(
        self,
        *,
        folder: Path | None = None,
        done: Sequence[AnswerRecord] = (),
        report: Report = lambda done, total: None,
    ) -> list[AnswerRecord]:
        """Answer each benchmark with the bare base model, and with an adapter from each of its descriptions.

        Args:
            folder: run folder to append answers to.
            done: answers from an interrupted run.
            report: called with the number of parts finished since the last call, and of all parts.

        Returns:
            All answers, including those of the interrupted run.
        """
        parts = [(name, method, seed) for name in self.names for method in METHODS for seed in range(self.seeds)]
        parts = [part for part in parts if part[1] == "adapter" or part[2] == 0]  # the base model needs no description
        finished = {(a.family, a.method, a.seed) for a in done}
        answers = list(done)
        for part in parts:
            if part not in finished:
                new = self.answer_benchmark(*part)
                if folder is not None:
                    append_answers(folder, new)
                answers += new
            report(1, len(parts))
        return answers

    def answer_benchmark(self, name: str, method: str, seed: int) -> list[AnswerRecord]:
        """Answer the items of one benchmark.

        Args:
            name: the benchmark.
            method: `none` (the bare base model), or `adapter` (from a description).
            seed: number of the description.

        Raises:
            EvaluationError: if lm-eval fails, for example without a network.
        """
        description = DESCRIPTIONS[name][seed] if method == "adapter" else None
        arguments: dict[str, Any] = {
            "pretrained": str(resolve_base(self.model.base.name)),
            "dtype": str(self.model.base.dtype).removeprefix("torch."),
        }
        adapter_bytes = 0
        with tempfile.TemporaryDirectory() as folder:
            if description is not None:
                adapter = self.model.specialize(description)
                adapter_dir = Path(folder) / "adapter"
                export_peft(adapter, self.model.base, adapter_dir, base_name=arguments["pretrained"])
                arguments["peft"] = str(adapter_dir)
                adapter_bytes = adapter.num_bytes
            samples = self._evaluate(name, arguments)
        unique = {sample["doc_id"]: sample for sample in samples}  # lm-eval may score an answer with several filters
        return [_as_record(name, method, seed, description, sample, adapter_bytes) for sample in unique.values()]

    def _evaluate(self, name: str, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        base = self.model.base
        longest = min(MAX_NEW_TOKENS, base.window_tokens // 2)
        try:
            found = self.simple_evaluate(
                model="hf",
                model_args=arguments,
                tasks=[hub_task(name) if self.data_dir is None else local_task(name, self.data_dir, longest)],
                num_fewshot=0,
                batch_size=BATCH_ROWS,
                device=str(base.device),
                limit=self.limit,
                bootstrap_iters=0,
                apply_chat_template=bool(base.tokenizer.chat_template),
                confirm_run_unsafe_code=name in PROGRAMS,
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            reason = first_line(error)
            raise EvaluationError(
                f"lm-eval cannot run {name} ({reason[:200]}); connect to a network, or give local copies with --data"
            ) from error
        (samples,) = found["samples"].values()
        return samples


def _as_record(
    name: str, method: str, seed: int, description: str | None, sample: Mapping[str, Any], adapter_bytes: int
) -> AnswerRecord:
    score = next((float(sample[metric]) for metric in HUB_METRICS if metric in sample), None)
    if score is None:
        raise EvaluationError(f"lm-eval reports no {' or '.join(HUB_METRICS)} for {name}; use another version of it")
    document = sample["doc"]
    case = f"{name}/{sample['doc_id']}"
    return AnswerRecord(
        method=method,
        case=f"{case}/{seed}",
        index=0,
        source=SOURCE,
        group=case,
        family=name,
        seed=seed,
        description=description,
        length_tokens=0,
        question=str(document.get("input") or document.get("question") or json.dumps(document, default=str)),
        answers=(str(sample["target"]),),
        prediction=str(sample["filtered_resps"]),
        metric="exact",
        score=score,
        exact=score,
        f1=score,
        rouge_l=score,
        rouge_l_recall=score,
        update_seconds=0.0,
        update_peak_bytes=None,
        adapter_bytes=adapter_bytes,
        kept_bytes=0,
    )  # pyright: ignore[reportCallIssue]


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
