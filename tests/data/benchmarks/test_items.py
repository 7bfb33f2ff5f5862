import json

import pytest

from lorify.data.benchmarks.items import read_items
from lorify.data.benchmarks.published import published_benchmarks, random_descriptions
from lorify.errors import EvaluationError

ROWS = {
    "arc_easy": {"question": "Why?", "choices": {"text": ["w", "x", "y"], "label": ["1", "2", "3"]}, "answerKey": "2"},
    "openbookqa": {"question_stem": "It", "choices": {"text": list("wxyz"), "label": list("ABCD")}, "answerKey": "C"},
    "hellaswag": {"ctx": "He", "endings": list("wxyz"), "label": "3"},
    "piqa": {"goal": "Boil", "sol1": "w", "sol2": "x", "label": 1},
    "winogrande": {"sentence": "The _", "option1": "w", "option2": "x", "answer": "2"},
    "boolq": {"passage": "P.", "question": "is it", "answer": False},
    "gsm8k": {"question": "How many?", "answer": "2 + 2 = 4\n#### 4"},
    "humaneval": {"prompt": "def f(x):\n", "canonical_solution": "    return x\n", "test": "T", "entry_point": "f"},
    "mbpp": {"prompt": "Write f", "code": "def f(): ...", "test_list": ["assert f()", "assert not f()"]},
}
PROMPTS = {
    "arc_easy": "Answer the question below by choosing the correct choice.\n\nWhy?\n\n1: w\n2: x\n3: y\n4: N/A\n\n"
    "You must respond with the letter corresponding to the correct choice without any explanation.",
    "openbookqa": "Complete the following passage or answer the question by choosing the correct choice.\n\nIt\n\n"
    "A: w\nB: x\nC: y\nD: z\n\n"
    "You must respond with the letter corresponding to the correct choice (A,B,C,D) without any explanation.",
    "winogrande": "Given the following situation:\n\nThe _\n\nWhich option is correct?\n\n"
    "Option 1: w\n\nOption 2: x\n\n"
    "You must respond with either `1` or `2` without any explanation.",
    "boolq": "P.\n\nQuestion: is it?\n\nPlease answer with either `true` or `false` without any explanation.",
    "gsm8k": "Please answer the following question: How many?\n\n",
    "humaneval": "Write a solution to the following problem:\n```python\ndef f(x):\n```",
    "mbpp": "Write f. Your code should satisfy the following assertion:\n```python\nassert f()\n```",
}
ANSWERS = {"arc_easy": "2", "openbookqa": "C", "hellaswag": "3", "piqa": "1", "winogrande": "2", "boolq": "False"}
ANY = ("x", None, "test")


def item(folder, name):
    (folder / f"{name}.jsonl").write_text(json.dumps(ROWS[name]) + "\n")
    (found,) = read_items(name, folder=folder, source=ANY)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_published_rows_give_the_published_prompts_and_answers(tmp_path, name):
    found, benchmark = item(tmp_path, name), published_benchmarks()[name]
    assert PROMPTS.get(name, "") in found.fill(benchmark.prompt)
    assert found.answer == ANSWERS.get(name, found.answer)
    if name == "piqa":
        assert '\n\n"""Boil"""\n\n0: w\n1: x\n\n' in found.fill(benchmark.prompt)
    if name == "hellaswag":
        assert "Passage: He\n\n0: w\n1: x\n2: y\n3: z\n\nYou must respond with the only number" in found.fill(
            benchmark.prompt
        )


def test_answers_begin_as_published(tmp_path):
    prefixes = {
        name: item(tmp_path, name).fill(b.answer_prefix) for name, b in published_benchmarks().items() if name in ROWS
    }
    assert prefixes["gsm8k"] == "Let's think step by step."
    assert prefixes["humaneval"] == "```python\ndef f(x):" and prefixes["mbpp"] == "```python"
    assert {prefixes[name] for name in ANSWERS} == {""}
    after_examples = {name: benchmark.example_prefix() for name, benchmark in published_benchmarks().items()}
    assert after_examples["boolq"] == "Answer:" and after_examples["mbpp"] == "```python"


def test_there_are_three_descriptions_of_each_of_the_ten_benchmarks():
    assert len(published_benchmarks()) == 10 and len(random_descriptions()) == 3
    assert all(len(benchmark.descriptions) == 3 for benchmark in published_benchmarks().values())
    validated = [name for name, benchmark in published_benchmarks().items() if benchmark.validation_split]
    assert len(validated) == 7 and not {"gsm8k", "humaneval", "mbpp"} & set(validated)


def test_lorifys_own_copies_are_read_too(tmp_path):
    lettered = {"input": "Why?\nA. w\nB. x\nAnswer:", "outputs": ["B", "x"], "choices": ["w", "x"], "answer_index": 1}
    (tmp_path / "piqa.json").write_text(json.dumps({"instances": [lettered]}))
    (found,) = read_items("piqa", folder=tmp_path, source=ANY)
    assert (found.question, found.choices, found.answer) == ("Why?", ("w", "x"), "1")
    truth = {"input": "Passage: P.\nQuestion: is it?\nAnswer:", "outputs": ["no"]}
    (tmp_path / "boolq.json").write_text(json.dumps({"instances": [truth]}))
    (found,) = read_items("boolq", folder=tmp_path, source=ANY)
    assert (found.passage, found.question, found.answer) == ("P.", "is it", "False")


def test_missing_copies_and_broken_rows_are_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"has no piqa\.jsonl"):
        read_items("piqa", folder=tmp_path, source=ANY)
    for text, message in (
        ('{"goal": "x"}', "item 1 of benchmark piqa has no usable field 'label'"),
        ("[1]", r"item 1 of benchmark piqa is not as published \(it is no JSON object\)"),
        ('{"goal": 3, "sol1": "w", "sol2": "x", "label": 1}', r"not as published \(a text is of another type\)"),
        ("", "has no items"),
    ):
        (tmp_path / "piqa.jsonl").write_text(text)
        with pytest.raises(EvaluationError, match=message):
            read_items("piqa", folder=tmp_path, source=ANY)
    (tmp_path / "piqa.jsonl").unlink()
    (tmp_path / "piqa.json").write_text("[]")
    with pytest.raises(EvaluationError, match="is not a copy of benchmark piqa"):
        read_items("piqa", folder=tmp_path, source=ANY)
