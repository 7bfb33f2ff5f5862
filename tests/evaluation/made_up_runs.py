"""Answers and configs of made-up runs."""

from lorify.evaluation.runs.records import AnswerRecord, RunConfig


def make_answer(method="adapter", case="c-0", index=0, f1=1.0, **fields) -> AnswerRecord:
    values = {
        "source": "mill",
        "length_tokens": 100,
        "question": f"question {index}",
        "answers": ("nine",),
        "prediction": "nine",
        "exact": float(f1 == 1.0),
        "f1": f1,
        "score": f1,
        "group": case,
        "rouge_l": f1,
        "rouge_l_recall": f1,
        "update_seconds": 0.5,
        "update_peak_bytes": None,
        "adapter_bytes": 10,
    }
    return AnswerRecord(method=method, case=case, index=index, **(values | fields))


def make_config(**fields) -> RunConfig:
    values = {
        "suite": "mill",
        "methods": ("adapter",),
        "items_sha256": "0" * 64,
        "timed": True,
        "max_new_tokens": 4,
        "base": "tiny",
        "base_digest": "1" * 64,
        "dtype": "float32",
        "device": "cpu",
        "hypernetwork": "one",
        "hypernetwork_digest": "2" * 64,
    }
    return RunConfig(**(values | fields))


ANSWERS = [
    answer
    for case in range(6)
    for answer in (
        make_answer("icl", f"c-{case}", f1=0.5, length_tokens=60 * (case + 1), first_token_seconds=2.0),
        make_answer("adapter", f"c-{case}", f1=1.0, length_tokens=60 * (case + 1), first_token_seconds=0.5),
        make_answer("adapter", f"c-{case}", 1, f1=0.0, length_tokens=60 * (case + 1)),
    )
]
"""Answers about six documents by two methods, of which `adapter` has a second, wrong answer about each."""
