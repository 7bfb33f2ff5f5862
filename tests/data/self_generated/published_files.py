"""Parquet files in the layout of the data that the authors of Doc-to-LoRA publish."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lorify.base.chat.prompts import build_prompt_ids, question_messages, with_system_turn
from lorify.base.model import BaseLM

TOP_K = 2
SCHEMA = pa.schema(
    {
        "ctx_ids": pa.list_(pa.int64()),
        "input_ids": pa.list_(pa.list_(pa.int32())),
        "response_start_end": pa.list_(pa.list_(pa.int64())),
        "logprobs_vals": pa.list_(pa.list_(pa.list_(pa.float16()))),
        "logprobs_indices": pa.list_(pa.list_(pa.list_(pa.int32()))),
    }
)


def published_row(base: BaseLM, context: str, questions: Sequence[str], answer: str = "Ada") -> dict:
    """One context with questions, which all have the same answer."""
    tokenizer = base.tokenizer
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    answer_ids = [*base.encode_text(answer), end]
    prompts = [build_prompt_ids(tokenizer, question_messages(question)) for question in questions]
    return {
        "ctx_ids": build_prompt_ids(tokenizer, with_system_turn(question_messages(context))),
        "input_ids": [[*prompt, *answer_ids] for prompt in prompts],
        "response_start_end": [[len(prompt), len(prompt) + len(answer_ids)] for prompt in prompts],
        "logprobs_vals": [[[-0.25, -2.0]] * len(answer_ids) for _ in prompts],
        "logprobs_indices": [[[token, 7] for token in answer_ids] for _ in prompts],
    }


def write_published(path: Path, rows: Sequence[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), path)
    return path
