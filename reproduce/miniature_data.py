"""Small stand-ins for the data sets of Doc-to-LoRA, in their original fields, from generated documents of facts.

They let the whole path run without a network. Scores on them say nothing about the published ones.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.names import Split
from lorify.data.sources.public import QUESTION_DATASETS

LONG_DOCUMENTS = 2
LONGBENCH = ("2wikimqa_e", "multifieldqa_en_e", "qasper_e")
NOVEL = (
    "The rain had stopped before the coach reached the village, and nobody stood at the inn. An old man swept the "
    "yard, looked up, and went on sweeping. It was the kind of evening on which letters are written and not sent.\n"
)

Row = Mapping[str, Any]
WRITE: Mapping[str, Callable[[str, Question], Row]] = {
    "squad": lambda text, q: {"context": text, "question": q.text, "answers": {"text": list(q.answers)}},
    "drop": lambda text, q: {"passage": text, "question": q.text, "answers_spans": {"spans": list(q.answers)}},
    "ropes": lambda text, q: {
        "background": text,
        "situation": "It is a day in June.",
        "question": q.text,
        "answers": {"text": list(q.answers)},
    },
    "pwc": lambda text, q: {"input": text, "prompt": q.text, "answer": q.answers[0]},
    **dict.fromkeys(LONGBENCH, lambda text, q: {"context": text, "input": q.text, "answers": list(q.answers)}),
}


def write_miniature(folder: Path, *, num_train: int, num_test: int, num_questions: int = 3) -> None:
    """Write `texts.jsonl`, `SET-train.jsonl`, `SET-test.jsonl` and `novel.txt`.

    Args:
        folder: where to write.
        num_train: contexts to train on, of each set.
        num_test: contexts to evaluate on, of each set.
        num_questions: questions about each context.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "novel.txt").write_text(NOVEL * 8, encoding="utf-8")
    _write(folder / "texts.jsonl", ({"text": e.documents[0]} for e in _examples("texts", num_train, num_questions)))
    for name, as_row in WRITE.items():
        if name not in LONGBENCH:
            # The published training split of SQuAD leaves out its first contexts.
            num_skipped = QUESTION_DATASETS[name].skipped_contexts
            skipped = [as_row(f"Left out: {i}.", Question("Which?", (str(i),))) for i in range(num_skipped)]
            train = _examples(f"{name}/train", num_train, num_questions)
            _write(folder / f"{name}-train.jsonl", [*skipped, *_rows(as_row, train)])
        num_documents = LONG_DOCUMENTS if name in LONGBENCH else 1
        test = _examples(f"{name}/test", num_test, num_questions, "heldout", num_documents)
        _write(folder / f"{name}-test.jsonl", _rows(as_row, test))


def _examples(
    seed: str, count: int, num_questions: int, split: Split = "train", num_documents: int = 1
) -> Iterator[Example]:
    rng = random.Random(seed)
    for _ in range(count):
        yield generate_fact_example(
            rng, split=split, num_documents=num_documents, num_facts=(3, 5), num_questions=num_questions
        )


def _rows(as_row: Callable[[str, Question], Row], examples: Iterator[Example]) -> Iterator[Row]:
    for example in examples:
        yield from (as_row("\n\n".join(example.documents), question) for question in example.questions)


def _write(path: Path, rows: Any) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
