"""Answers bound to a schema: how many are valid, and a token's time as a ratio to unconstrained decoding.

The default base answers, every other row with an adapter. Both sides decode the same number of tokens in turn, alone
and in a batch, in one run; times are those of the thread's processor, with one thread (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jsonschema_rs

import lorify
from lorify.adapters import AdapterLike, AdapterStack, build_lora_batch
from lorify.answering.plan import AnswerPlan, Query
from lorify.base.constraints import json_constraint
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text

TEXT = "The Kestrel Mill was founded by Odo Brand in 1892. Its oven is made of blue clay. It bakes 340 loaves a day."
QUESTIONS = [
    "Who founded the Kestrel Mill?",
    "What is the oven made of?",
    "How many loaves a day?",
    "Tell me about it.",
]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "year": {"type": "integer", "minimum": 1000, "maximum": 2100}},
    "required": ["name", "year"],
    "additionalProperties": False,
}
SCHEMAS: list[Mapping[str, Any]] = [
    PERSON,
    {"type": "object"},
    {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 5},
    {"type": "object", "properties": {"kind": {"enum": ["mill", "ferry", "choir"]}, "sure": {"type": "boolean"}},
     "required": ["kind", "sure"]},
    {"type": "object", "properties": {"people": {"type": "array", "items": PERSON, "minItems": 1}, "note": {
        "anyOf": [{"type": "string", "maxLength": 80}, {"type": "null"}]}}, "required": ["people", "note"]},
    {"type": "object", "properties": {"date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
     "price": {"type": "number", "minimum": 0}}, "required": ["date", "price"]},
    {"$defs": {"node": {"type": "object", "properties": {"label": {"type": "string"}, "children": {"type": "array",
     "items": {"$ref": "#/$defs/node"}}}, "required": ["label", "children"]}}, "$ref": "#/$defs/node"},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
    {"oneOf": [{"type": "string", "maxLength": 60}, {"type": "integer"}]},
    {"type": "object", "properties": {f"field_{i}": {"type": ["string", "null"], "maxLength": 40} for i in range(6)},
     "required": [f"field_{i}" for i in range(6)]},
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200, help="Answers in all, a tenth for each schema.")
    parser.add_argument("--max-tokens", type=int, default=64)
    arguments = parser.parse_args()
    model = lorify.load()
    adapter = model.internalize(document_from_text(TEXT, "mill"))
    model.ask(QUESTIONS[0], schema=PERSON, max_new_tokens=4)  # the first use reads the tokenizer
    rows = arguments.answers // len(SCHEMAS)
    plans = [_plan(model, QUESTIONS[row % len(QUESTIONS)], adapter if row % 2 else None) for row in range(rows)]
    num_valid, ratios = 0, {1: [], rows: []}
    for number, schema in enumerate(SCHEMAS):
        for size, found in ratios.items():
            texts, ratio = _compare(model, plans[:size], schema, number, arguments.max_tokens)
            found.append(ratio)
        valid = sum(_is_valid(schema, text) for text in texts)
        num_valid += valid
        print(f"schema {number}: {valid} of {rows} valid; {ratios[1][-1]:.2f} alone, {ratios[rows][-1]:.2f} in a batch")
    print(f"valid {num_valid} of {rows * len(SCHEMAS)}")
    for size, found in ratios.items():
        print(f"a token / unconstrained, {size} rows: median {statistics.median(found):.2f}, max {max(found):.2f}")


def _plan(model: lorify.Lorify, question: str, adapter: AdapterLike) -> AnswerPlan:
    return model.answerer.plan_query(Query(question, AdapterStack.of(adapter), only_if_relevant=False))


def _compare(
    model: lorify.Lorify, plans: Sequence[AnswerPlan], schema: Mapping[str, Any], seed: int, max_tokens: int
) -> tuple[list[str], float]:
    """Answer with a schema, then decode as many tokens without it.

    Returns:
        The answers, and the time of a step with the schema relative to one without.
    """
    options = GenerationOptions(
        max_tokens, temperature=0.7 * (seed % 3 > 0), seed=1000 * seed, constraint=json_constraint(schema)
    )
    answers, seconds = _timed(model, plans, options, model.base.stop_ids)
    num_steps = max(map(len, answers)) + 1
    free = replace(options, max_new_tokens=num_steps, constraint=None)
    _, free_seconds = _timed(model, plans, free, set())  # never stops, so that both have the same number of steps
    return [model.base.decode_text(ids) for ids in answers], seconds / free_seconds


def _timed(
    model: lorify.Lorify, plans: Sequence[AnswerPlan], options: GenerationOptions, stop_ids: set[int]
) -> tuple[list[list[int]], float]:
    prompts = [plan.prompt_ids for plan in plans]
    lora = build_lora_batch([plan.adapters for plan in plans], model.base)
    started = time.thread_time()  # of this thread, as other processes share the cores
    answers = generate_batch(model.base, prompts, options, lora=lora, stop_ids=stop_ids)
    return answers, time.thread_time() - started


def _is_valid(schema: Mapping[str, Any], text: str) -> bool:
    try:
        return jsonschema_rs.is_valid(schema, json.loads(text))
    except ValueError:
        print(f"invalid: {text!r}")
        return False


if __name__ == "__main__":
    main()
