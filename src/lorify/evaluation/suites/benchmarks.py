"""The ten benchmarks of Text-to-LoRA through lm-eval, which runs the base with the generated adapter as PEFT.

A benchmark's items come from the hub, as lm-eval has them, or from a local copy: a JSON file with `instances`,
each with `input` and `outputs`, and `choices` with `answer_index`, or the tests of a program. Answers become a run's
answers like any other, so that tables, intervals and comparisons are the same.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lorify.adapters.exports.peft import export_peft
from lorify.base.files import resolve_base
from lorify.data.tasks.schema import load_tasks
from lorify.errors import EvaluationError
from lorify.evaluation.runs.folder import Answer
from lorify.evaluation.scoring.metrics import score_answer
from lorify.facade import Lorify

DESCRIPTIONS: Mapping[str, tuple[str, str, str]] = {
    "arc_challenge": (
        "Answer a hard science question from a school exam with the letter of the right option.",
        "You get a question about nature or technology and lettered choices; name the letter that is correct.",
        "Reason about the science in the question and choose one of the options by its letter.",
    ),
    "arc_easy": (
        "Answer a simple science question from a school exam with the letter of the right option.",
        "Pick the letter of the choice that correctly answers an elementary science question.",
        "Each input is a basic question about the natural world with options; give the right letter.",
    ),
    "boolq": (
        "Read the passage and answer the question about it with yes or no.",
        "Decide from the text whether what is asked is true; reply yes or no.",
        "Given a passage and a yes/no question, say which of the two the passage supports.",
    ),
    "gsm8k": (
        "Solve the word problem step by step and end with the number that is asked for.",
        "Work out a grade-school maths problem with basic arithmetic; finish with the result.",
        "Reason through the quantities in the story and state the final number.",
    ),
    "hellaswag": (
        "Continue the description of an everyday situation with the most plausible ending.",
        "Given the beginning of a scene, choose what happens next.",
        "Complete the text with the sentence that fits common sense best.",
    ),
    "openbookqa": (
        "Use a basic fact of science and common knowledge to choose the right option by its letter.",
        "Answer the question with the letter of the choice that elementary science supports.",
        "Combine what is known about the world with simple science and name the correct letter.",
    ),
    "piqa": (
        "Choose the letter of the more sensible way to reach an everyday physical goal.",
        "Two ways of doing something are given; say which one works.",
        "Use knowledge of objects and materials to pick the solution that makes sense.",
    ),
    "winogrande": (
        "Fill the blank in the sentence with the option that makes sense and give its letter.",
        "Find out to whom or what the gap refers; answer with the letter of the option.",
        "Choose the word that resolves the blank so that the sentence is plausible.",
    ),
    "humaneval": (
        "Complete the Python function so that it does what its docstring says.",
        "Write the body of a Python function from its signature and documentation.",
        "Implement the described algorithm in Python and return only code.",
    ),
    "mbpp": (
        "Write a Python function that does what is described and passes the tests.",
        "Program a short Python solution to the task; the given assertions must hold.",
        "Turn the request into a working Python function with the name that the tests use.",
    ),
}
"""Three descriptions of each benchmark, one for each seed."""

PROGRAMS = frozenset({"humaneval", "mbpp"})
"""Benchmarks whose answers are programs, which are run."""

HUB_NAMES = {name: name for name in DESCRIPTIONS} | {"humaneval": "humaneval_instruct", "mbpp": "mbpp_instruct"}
HUB_METRICS = ("pass@1", "pass_at_1", "exact_match", "acc")
SOURCE = "benchmarks"
SECONDS_A_PROGRAM = 10.0
MAX_NEW_TOKENS = 512


def load_lm_eval() -> Any:
    """lm-eval's `simple_evaluate`.

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


def check_benchmarks(names: Sequence[str], data_dir: Path | None, *, run_programs: bool) -> None:
    """Refuse what cannot be run, before any work is done.

    Raises:
        EvaluationError: if a benchmark does not exist, its local copy is missing, or its answers are programs and those
            may not be run.
    """
    for name in names:
        if name not in DESCRIPTIONS:
            raise EvaluationError(f"benchmark {name!r} does not exist; choose from {', '.join(DESCRIPTIONS)}")
        if data_dir is not None and not data_path(data_dir, name).is_file():
            raise EvaluationError(f"{data_dir} has no {name}.json; give the folder of the local copies with --data")
        if name in PROGRAMS and not run_programs:
            raise EvaluationError(
                f"benchmark {name} runs programs that the model writes, on this machine and as you; give "
                "--run-programs where that is safe, or leave the benchmark out"
            )


def answer_benchmark(
    model: Lorify, name: str, method: str, seed: int, *, data_dir: Path | None, limit: int | None, simple_evaluate: Any
) -> list[Answer]:
    """Answers to a benchmark's items.

    Args:
        model: base and task hypernetwork.
        name: the benchmark.
        method: `none` (the bare base), or `adapter` (from a description).
        seed: which description.
        data_dir: folder of local copies; None: lm-eval fetches the items from the hub.
        limit: at most so many items.
        simple_evaluate: lm-eval's.

    Raises:
        EvaluationError: if lm-eval fails, such as for want of a network.
    """
    longest = min(MAX_NEW_TOKENS, model.base.window_tokens // 2)
    description = DESCRIPTIONS[name][seed] if method == "adapter" else None
    arguments: dict[str, Any] = {
        "pretrained": str(resolve_base(model.base.name)),
        "dtype": str(model.base.dtype).removeprefix("torch."),
    }
    with tempfile.TemporaryDirectory() as folder:
        adapter_bytes = 0
        if description is not None:
            adapter = model.specialize(description)
            export_peft(adapter, model.base, Path(folder) / "adapter", base_name=arguments["pretrained"])
            arguments["peft"] = str(Path(folder) / "adapter")
            adapter_bytes = adapter.num_bytes
        try:
            found = simple_evaluate(
                model="hf",
                model_args=arguments,
                tasks=[HUB_NAMES[name] if data_dir is None else local_task(name, data_dir, longest)],
                num_fewshot=0,
                batch_size=8,
                device=str(model.base.device),
                limit=limit,
                bootstrap_iters=0,
                apply_chat_template=bool(model.base.tokenizer.chat_template),
                confirm_run_unsafe_code=name in PROGRAMS,
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EvaluationError(
                f"lm-eval cannot run {name} ({reason[:200]}); connect to a network, or give local copies with --data"
            ) from error
    (samples,) = found["samples"].values()
    unique = {sample["doc_id"]: sample for sample in samples}  # a task may score each answer after several filters
    return [_as_answer(name, method, seed, description, sample, adapter_bytes) for sample in unique.values()]


def local_task(name: str, data_dir: Path, max_new_tokens: int = MAX_NEW_TOKENS) -> dict[str, Any]:
    """lm-eval's config of a benchmark that is read from a local copy."""
    path = data_path(data_dir, name)
    task = {
        "task": f"lorify_{name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path.resolve())}, "field": "instances"},
        "test_split": "test",
        "doc_to_text": "{{input}}",
        "target_delimiter": "",
    }
    if name in PROGRAMS or name == "gsm8k":
        return task | {
            "output_type": "generate_until",
            "doc_to_target": "{{outputs[0]}}",
            "generation_kwargs": {"until": ["<|im_end|>"], "max_gen_toks": max_new_tokens, "do_sample": False},
            "process_results": _score_program if name in PROGRAMS else _score_number,
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    (first, *_) = load_tasks(path)
    lettered = f"\nA. {first.instances[0].choices[0]}" in first.instances[0].input
    return task | {
        "output_type": "multiple_choice",
        "doc_to_choice": "{{['A', 'B', 'C', 'D', 'E'][:choices | length]}}" if lettered else "{{choices}}",
        "doc_to_target": "{{answer_index}}",
        "target_delimiter": " " if name == "hellaswag" else "",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def passes_tests(program: str, *, seconds: float = SECONDS_A_PROGRAM) -> bool:
    """Whether a program runs to its end in time, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = subprocess.run(
                [sys.executable, "-I", "-c", program],
                cwd=folder,
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return run.returncode == 0


def program_of(document: Mapping[str, Any], answer: str) -> str:
    """The program that an answer makes with the tests of its item."""
    fenced = re.search(r"```(?:python)?\n(.*?)(?:```|$)", answer, re.DOTALL)
    code = fenced.group(1) if fenced else answer
    if "entry_point" not in document:  # MBPP
        return "\n".join([document.get("test_setup_code") or "", code, *document["test_list"]])
    if f"def {document['entry_point']}" not in code:
        code = document["input"] + code
    return f"{code}\n{document['test']}\ncheck({document['entry_point']})\n"


def _score_program(document: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    return {"acc": float(passes_tests(program_of(document, _text(results))))}


def _score_number(document: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    return {"acc": score_answer("number", _text(results), document["outputs"])}


def _text(results: Any) -> str:
    """The answer among lm-eval's nested lists of them."""
    while isinstance(results, list | tuple):
        results = results[0]
    return str(results)


def _as_answer(
    name: str, method: str, seed: int, description: str | None, sample: Mapping[str, Any], adapter_bytes: int
) -> Answer:
    score = next((float(sample[metric]) for metric in HUB_METRICS if metric in sample), None)
    if score is None:
        raise EvaluationError(f"lm-eval gives no {' or '.join(HUB_METRICS)} for {name}; use another version of it")
    document = sample["doc"]
    case = f"{name}/{sample['doc_id']}"
    return Answer(
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


def data_path(data_dir: Path, name: str) -> Path:
    """Where the local copy of a benchmark is."""
    return data_dir / f"{name}.json"
