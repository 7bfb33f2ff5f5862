"""lm-eval and its task configs for local copies of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lorify.data.tasks.files import load_tasks
from lorify.errors import EvaluationError
from lorify.evaluation.benchmarks.names import PROGRAMS, data_path
from lorify.evaluation.benchmarks.programs import build_program
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.scoring.programs import passes_tests

MAX_NEW_TOKENS = 512
_HUB_NAMES = {"humaneval": "humaneval_instruct", "mbpp": "mbpp_instruct"}
_ACCURACY = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]


def load_lm_eval() -> Any:
    """Import `simple_evaluate` of lm-eval.

    Raises:
        EvaluationError: if lm-eval is not installed.
    """
    try:
        from lm_eval import simple_evaluate  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            f"the benchmarks need lm-eval, which is not installed ({error}); run `pip install 'lorify[bench]'`"
        ) from error
    return simple_evaluate


def hub_task(name: str) -> str:
    """Find the name of a benchmark's task in lm-eval."""
    return _HUB_NAMES.get(name, name)


def local_task(name: str, data_dir: Path, max_new_tokens: int = MAX_NEW_TOKENS) -> dict[str, Any]:
    """Build lm-eval's task config of a benchmark that is read from a local copy.

    Args:
        name: the benchmark.
        data_dir: folder of local copies.
        max_new_tokens: maximum length of a generated answer in tokens.
    """
    path = data_path(data_dir, name)
    task = {
        "task": f"lorify_{name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path.resolve())}, "field": "instances"},
        "test_split": "test",
        "doc_to_text": "{{input}}",
        "target_delimiter": "",
        "metric_list": _ACCURACY,
    }
    if name in PROGRAMS or name == "gsm8k":
        return task | _generation(name, max_new_tokens)
    return task | _multiple_choice(name, path)


def _generation(name: str, max_new_tokens: int) -> dict[str, Any]:
    return {
        "output_type": "generate_until",
        "doc_to_target": "{{outputs[0]}}",
        "generation_kwargs": {"until": ["<|im_end|>"], "max_gen_toks": max_new_tokens, "do_sample": False},
        "process_results": _score_program if name in PROGRAMS else _score_number,
    }


def _multiple_choice(name: str, path: Path) -> dict[str, Any]:
    (first, *_) = load_tasks(path)
    lettered = f"\nA. {first.instances[0].choices[0]}" in first.instances[0].input
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "{{['A', 'B', 'C', 'D', 'E'][:choices | length]}}" if lettered else "{{choices}}",
        "doc_to_target": "{{answer_index}}",
        "target_delimiter": " " if name == "hellaswag" else "",
    }


def _score_program(document: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    return {"acc": float(passes_tests(build_program(document, _first_text(results))))}


def _score_number(document: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    return {"acc": score_answer("number", _first_text(results), document["outputs"])}


def _first_text(results: Any) -> str:
    """Unwrap the answer from lm-eval's nested lists."""
    while isinstance(results, list | tuple):
        results = results[0]
    return str(results)
