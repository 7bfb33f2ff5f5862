import json

import pytest

CHOICE = {
    "input": "Hot is?\nA. warm\nB. cold\nAnswer:",
    "outputs": ["A"],
    "choices": ["warm", "cold"],
    "answer_index": 0,
}
ENDING = {"input": "The cat", "outputs": ["sleeps."], "choices": ["sleeps.", "is a mill."], "answer_index": 0}
NUMBER = {"input": "2 + 2?", "outputs": ["4"]}
PROGRAM = {
    "input": "def double(x):\n",
    "outputs": ["    return 2 * x\n"],
    "test": "def check(f):\n    assert f(2) == 4\n",
    "entry_point": "double",
}
ITEMS = {
    "arc_easy": CHOICE,
    "hellaswag": ENDING,
    "gsm8k": NUMBER,
    "humaneval": PROGRAM,
    "mbpp": {"input": "Double it.", "outputs": ["x"], "test_list": ["assert double(2) == 4"]},
}


@pytest.fixture
def items():
    """An item of several benchmarks."""
    return ITEMS


@pytest.fixture
def data_dir(tmp_path):
    """A folder of local copies with two items each."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, item in ITEMS.items():
        task = {"name": name, "definition": "Do it.", "instances": [item, item]}
        (folder / f"{name}.json").write_text(json.dumps(task))
    return folder
