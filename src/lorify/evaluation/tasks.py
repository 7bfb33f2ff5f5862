"""Tasks that a hypernetwork has not seen, by several methods: what is an adapter from a description alone worth?

Every method answers the same instances. A task's input alone is in the prompt, but for the methods that put the
description or examples there.
"""

from __future__ import annotations

import random
import re
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lorify.adapters import Adapter, AdapterRow, build_lora_batch
from lorify.base.chat import Message, build_prompt_ids, question_messages, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.data.tasks import Instance, Metric, Task, split_descriptions, split_instances
from lorify.errors import EvaluationError
from lorify.evaluation.metrics import bootstrap_interval, exact_match, mean, rouge_l, token_f1
from lorify.facade import Lorify

TaskMethod = Literal["none", "description", "three_shot", "multi_task", "adapter", "mismatched", "random", "oracle"]
"""The bare base; with the description, or three examples, in its prompt; with a LoRA for all tasks; with the adapter of
an unseen description of the task, of another task's, or of random letters; with the task's own LoRA."""

METHODS: tuple[TaskMethod, ...] = get_args(TaskMethod)
NUM_SHOTS = 3
SPARE_TOKENS = 4
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class TaskItem:
    """One answer.

    Attributes:
        method: how it was answered.
        task: name of the task.
        family: its family.
        seed: seed of description, instances and examples.
        description: what the adapter was made of or the prompt said, if anything.
        input: the instance's input.
        outputs: its acceptable answers.
        prediction: the answer.
        score: by the task's metric, 0 to 1.
        update_seconds: time to make the adapter, embedding included; None where none was made.
    """

    method: TaskMethod
    task: str
    family: str
    seed: int
    description: str | None
    input: str
    outputs: tuple[str, ...]
    prediction: str
    score: float
    update_seconds: float | None


@dataclass(frozen=True)
class TaskAdapters:
    """Trained LoRAs to compare with.

    Attributes:
        multi_task: a LoRA for all tasks; needed for the method `multi_task`.
        oracles: each task's own LoRA, by its name; needed for `oracle`.
    """

    multi_task: Adapter | None = None
    oracles: Mapping[str, Adapter] | None = None


def evaluate_tasks(
    model: Lorify,
    tasks: Sequence[Task],
    *,
    methods: Sequence[TaskMethod],
    adapters: TaskAdapters,
    num_instances: int,
    seeds: Sequence[int],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[TaskItem]:
    """Answer held-out instances of tasks by every method.

    Args:
        model: base and task hypernetwork.
        tasks: the tasks.
        methods: how to answer.
        adapters: trained LoRAs to compare with.
        num_instances: at most so many instances of a task for each seed.
        seeds: each draws other instances and examples, and takes another description.
        report: called with the number of answers since the last call and of all.

    Raises:
        EvaluationError: if a method lacks its LoRAs.
    """
    _check_adapters(tasks, methods, adapters)
    drawn = {(task.name, seed): _draw(task, num_instances, seed) for task in tasks for seed in seeds}
    total = len(methods) * sum(map(len, drawn.values()))
    items: list[TaskItem] = []
    for task in tasks:
        for seed in seeds:
            instances = drawn[task.name, seed]
            for method in methods:
                items += _answer_task(model, task, tasks, method, adapters, instances, seed)
                report(len(instances), total)
    return items


def summarize_tasks(items: Sequence[TaskItem]) -> list[dict[str, object]]:
    """A row for each method: mean score over the tasks with its 95% interval (whole tasks are drawn), and the time to
    make an adapter."""
    rows = []
    for method in dict.fromkeys(item.method for item in items):
        own = [item for item in items if item.method == method]
        low, high = bootstrap_interval([item.score for item in own], groups=[item.task for item in own])
        seconds = [item.update_seconds for item in own if item.update_seconds is not None]
        rows.append(
            {
                "method": method,
                "tasks": len({item.task for item in own}),
                "answers": len(own),
                "score": round(mean([item.score for item in own]), 3),
                "low": round(low, 3),
                "high": round(high, 3),
                "update_seconds": round(sorted(seconds)[len(seconds) // 2], 3) if seconds else "",
            }
        )
    return rows


def compare_methods(rows: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """What the paper asks of the scores of `summarize_tasks`, where the methods for it are there.

    Returns:
        `of_oracle`: score of the adapter relative to the tasks' own LoRAs. `gain_lost_mismatched`: share of the gain
        over the bare base that is lost with another task's description.
    """
    score = {str(row["method"]): float(str(row["score"])) for row in rows}
    found: dict[str, float] = {}
    if "adapter" in score and score.get("oracle"):
        found["of_oracle"] = round(score["adapter"] / score["oracle"], 3)
    if {"adapter", "mismatched", "none"} <= set(score) and score["adapter"] > score["none"]:
        lost = (score["adapter"] - score["mismatched"]) / (score["adapter"] - score["none"])
        found["gain_lost_mismatched"] = round(lost, 3)
    return found


def measure_compression(adapters: Sequence[Adapter], hypernetwork_bytes: int) -> dict[str, float]:
    """How much smaller a task hypernetwork is than the LoRAs it stands for; the description encoder is not counted.

    Args:
        adapters: the LoRAs.
        hypernetwork_bytes: size of the hypernetwork on disk.
    """
    half = sum(pair.A.numel() + pair.B.numel() for adapter in adapters for pair in adapter.weights.values()) * 2
    return {
        "library_adapters": len(adapters),
        "library_bytes": sum(adapter.num_bytes for adapter in adapters),
        "library_bytes_16_bit": half,
        "hypernetwork_bytes": hypernetwork_bytes,
        "times_smaller_than_16_bit": round(half / hypernetwork_bytes, 1),
    }


def score_answer(metric: Metric, prediction: str, outputs: Sequence[str]) -> float:
    """Score of an answer, 0 to 1."""
    match metric:
        case "exact":
            return float(prediction.strip() in {output.strip() for output in outputs})
        case "normalized":
            return exact_match(prediction, outputs)
        case "number":
            found = _last_number(prediction)
            return float(found is not None and found in {_last_number(output) for output in outputs})
        case "f1":
            return token_f1(prediction, outputs)
        case "rouge_l":
            return rouge_l(prediction, outputs).f1


def _check_adapters(tasks: Sequence[Task], methods: Sequence[TaskMethod], adapters: TaskAdapters) -> None:
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise EvaluationError(f"method {unknown[0]!r} does not exist; choose from {', '.join(METHODS)}")
    if "multi_task" in methods and adapters.multi_task is None:
        raise EvaluationError("method multi_task needs a LoRA for all tasks; give its folder with --multi-task")
    if "oracle" in methods:
        missing = [task.name for task in tasks if task.name not in (adapters.oracles or {})]
        if missing:
            raise EvaluationError(
                f"method oracle needs the LoRA of every task, and there is none of {missing[0]!r}; give a library that "
                "has them with --oracles"
            )


def _draw(task: Task, num_instances: int, seed: int) -> list[Instance]:
    _, heldout = split_instances(task)
    return random.Random(f"{seed}/{task.name}").sample(heldout, min(num_instances, len(heldout)))


def _answer_task(
    model: Lorify,
    task: Task,
    tasks: Sequence[Task],
    method: TaskMethod,
    adapters: TaskAdapters,
    instances: Sequence[Instance],
    seed: int,
) -> list[TaskItem]:
    description = _description(task, tasks, method, seed)
    adapter, seconds = _adapter(model, task, method, adapters, description)
    before = _before(task, method, seed)
    chats = [[*before, *question_messages(_prompt(method, description, i.input))] for i in instances]
    longest = max(len(model.base.encode_text(output)) for i in instances for output in i.outputs)
    predictions = _answer(model, chats, adapter, longest + SPARE_TOKENS)
    return [
        TaskItem(
            method=method,
            task=task.name,
            family=task.family,
            seed=seed,
            description=description,
            input=instance.input,
            outputs=instance.outputs,
            prediction=prediction,
            score=score_answer(task.metric, prediction, instance.outputs),
            update_seconds=seconds,
        )
        for instance, prediction in zip(instances, predictions, strict=True)
    ]


def _description(task: Task, tasks: Sequence[Task], method: TaskMethod, seed: int) -> str | None:
    """What the adapter is made of or the prompt says."""
    rng = random.Random(f"{seed}/{task.name}/description")
    if method in ("adapter", "description"):
        unseen = split_descriptions(task)[1]
        return unseen[seed % len(unseen)]
    if method == "mismatched":
        others = [other for other in tasks if other.family != task.family] or [o for o in tasks if o is not task]
        if not others:
            raise EvaluationError("method mismatched needs at least two tasks; give more, or leave it out")
        return rng.choice(split_descriptions(rng.choice(others))[1])
    if method == "random":
        return "".join(rng.choice(string.ascii_letters + string.digits + " ") for _ in range(60)).strip()
    return None


def _adapter(
    model: Lorify, task: Task, method: TaskMethod, adapters: TaskAdapters, description: str | None
) -> tuple[AdapterRow, float | None]:
    """What a method runs with, and the time it took to make."""
    if method in ("adapter", "mismatched", "random"):
        assert description is not None
        _ = model.specializer  # loading it is no part of the time
        started = time.perf_counter()
        made = model.specialize(description)
        return made, time.perf_counter() - started
    if method == "oracle":
        return (adapters.oracles or {})[task.name], None
    return (adapters.multi_task if method == "multi_task" else None), None


def _before(task: Task, method: TaskMethod, seed: int) -> list[Message]:
    """Turns before the question: the examples, for the method that has them."""
    if method != "three_shot":
        return []
    known = split_instances(task)[0]
    shown = random.Random(f"{seed}/{task.name}/examples").sample(known, min(NUM_SHOTS, len(known)))
    return [
        turn
        for instance in shown
        for turn in ({"role": "user", "content": instance.input}, {"role": "assistant", "content": instance.outputs[0]})
    ]


def _prompt(method: TaskMethod, description: str | None, text: str) -> str:
    return f"{description}\n\n{text}" if method == "description" else text


def _answer(model: Lorify, chats: Sequence[list[Message]], adapter: AdapterRow, max_new_tokens: int) -> list[str]:
    base = model.base
    answers = generate_batch(
        base,
        [build_prompt_ids(base.tokenizer, chat) for chat in chats],
        lora=build_lora_batch([adapter] * len(chats), base),
        max_new_tokens=max_new_tokens,
        stop_ids=stop_token_ids(base.tokenizer, base.model.generation_config),
    )
    return [base.decode_text(answer).strip() for answer in answers]


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    try:
        return float(found[-1].replace(",", "")) if found else None
    except ValueError:
        return None
