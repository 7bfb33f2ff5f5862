"""Examples beside the description of a task: reading them, and training on them."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_lorify import tiny_lorify

from lorify.adapters import build_lora_batch
from lorify.base.chat.prompts import PromptBuilder
from lorify.contexts.documents import document_from_text
from lorify.errors import ContextError
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter
from lorify.hypernets.task_refinement.refine_task import refine_task
from lorify.hypernets.task_refinement.task_examples import TaskExample, check_examples, parse_example, read_examples

BASE = tiny_lorify().base
PROMPTS = PromptBuilder(BASE.tokenizer)
EXAMPLES = [TaskExample("hot", "cold"), TaskExample("big", "small")]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(lambda text: text and "=" not in text)


@given(TEXT, TEXT)
def test_an_example_is_read_as_it_was_written(given_text: str, output: str) -> None:
    assert parse_example(f"{given_text} => {output}") == TaskExample(given_text, output)


@pytest.mark.parametrize("text", ["hot", "hot =>", "=> cold", "", "=>"])
def test_an_example_without_both_sides_is_refused(text: str) -> None:
    with pytest.raises(ContextError, match="INPUT => OUTPUT"):
        parse_example(text)


def test_a_file_of_examples_is_read(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text('{"input": "hot", "output": "cold"}\n\n{"input": "big", "output": "small"}\n', encoding="utf-8")
    assert read_examples(path) == EXAMPLES


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b"])
def test_an_example_may_contain_any_line_separator(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "examples.jsonl"
    row = {"input": f"a{separator}b", "output": "c"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert read_examples(path) == [TaskExample(row["input"], "c")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'{"input": "hot"}', "line 1: output: field required; expected the keys input and output"),
        (b'{"input": "a", "output": "b"}\n{"input": "a", "output": 5}', "line 2: output"),
        (b"[[[[", "line 1"),
        (b'{"input": " ", "output": "b"}', "line 1: input"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_files_are_refused_with_line_and_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_bytes(content)
    with pytest.raises(ContextError, match="(?i)" + message):
        read_examples(path)


def test_contradicting_examples_are_refused() -> None:
    with pytest.raises(ContextError, match="'hot' has the outputs 'cold' and 'warm'"):
        check_examples([TaskExample("hot", "cold"), TaskExample("hot", "warm")])
    check_examples([EXAMPLES[0], EXAMPLES[0]])


def test_training_makes_the_answers_of_the_examples_more_probable() -> None:
    start = blank_adapter(BASE, 4, [document_from_text("Say the opposite.", "task")])
    trained = refine_task(BASE, start, EXAMPLES, seconds=1.0, prompts=PROMPTS)
    assert trained.provenance.refined_seconds is not None

    def surprise(adapter) -> float:
        total = 0.0
        for example in EXAMPLES:
            prompt, answer = PROMPTS.question_ids(example.input), BASE.encode_text(example.output)
            with torch.no_grad(), BASE.hooks.applied(build_lora_batch([adapter], BASE)):
                logits = BASE.model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
            log = logits[len(prompt) - 1 : -1].log_softmax(-1)
            total -= log[torch.arange(len(answer)), torch.tensor(answer)].sum().item()
        return total

    assert surprise(trained) < surprise(start)


def test_an_example_longer_than_the_window_is_named() -> None:
    start = blank_adapter(BASE, 4, [document_from_text("Say it.", "task")])
    with pytest.raises(ContextError, match="shorten it"):
        refine_task(BASE, start, [TaskExample("a " * 5000, "b")], seconds=0.1, prompts=PROMPTS)
    with pytest.raises(ContextError, match="no example"):
        refine_task(BASE, start, [], seconds=0.1, prompts=PROMPTS)
