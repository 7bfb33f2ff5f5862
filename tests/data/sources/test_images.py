import json
from pathlib import Path

import pytest
from PIL import Image

from lorify.data.examples import Question
from lorify.data.sources.images import digit_examples, load_image_examples, split_by_image
from lorify.errors import EvaluationError


def save_image(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, shade, 255 - shade)).save(path)
    return path


def test_class_folders(tmp_path):
    for name in ("n01440764", "red_boat"):
        for number in range(2):
            save_image(tmp_path / name / f"{number}.png", 10 * number)
    (tmp_path / "red_boat" / "notes.txt").write_text("no image")
    examples = load_image_examples(tmp_path, question="What is it?")
    assert [example.questions[0].answers[0] for example in examples] == ["tench"] * 2 + ["red boat"] * 2
    assert {example.questions[0].text for example in examples} == {"What is it?"}
    assert all(example.images[0].is_file() and not example.documents for example in examples)


def test_lines_about_one_image_are_one_example(tmp_path):
    save_image(tmp_path / "photos" / "a.png", 1)
    rows = [{"image": "photos/a.png", "question": f"Question {i}?", "answers": [f"answer {i}", "x"]} for i in range(2)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (example,) = load_image_examples(tmp_path / "asked.jsonl")
    assert example.source == "asked"
    assert example.questions == tuple(Question(f"Question {i}?", (f"answer {i}", "x")) for i in range(2))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: not a JSON object"),
        ('{"image": "a.png", "question": "", "answers": ["x"]}', "line 1: field 'question' is missing or empty"),
        ('{"image": "a.png", "question": "What?", "answers": "x"}', "line 1: field 'answers' is missing or empty"),
        ('{"image": "b.png", "question": "What?", "answers": ["x"]}', "line 1: image .*b.png does not exist"),
        ("", "has no lines"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, problem):
    save_image(tmp_path / "a.png", 1)
    (tmp_path / "asked.jsonl").write_text(line + "\n")
    with pytest.raises(EvaluationError, match=problem):
        load_image_examples(tmp_path / "asked.jsonl")


def test_folders_without_images(tmp_path):
    with pytest.raises(EvaluationError, match="holds no images in class folders"):
        load_image_examples(tmp_path)
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_image_examples(tmp_path / "missing.jsonl")


def test_no_image_is_in_both_parts(tmp_path):
    for name in ("a", "b"):  # each image twice
        for number in range(60):
            save_image(tmp_path / name / f"{number}.png", number)
    train, heldout = split_by_image(load_image_examples(tmp_path), heldout_fraction=0.2)
    content = [{example.images[0].read_bytes() for example in part} for part in (train, heldout)]
    assert len(train) + len(heldout) == 120
    assert 8 <= len(heldout) <= 44
    assert not content[0] & content[1]


def test_the_digits_are_split_once_and_for_all():
    pytest.importorskip("sklearn")
    train, heldout = digit_examples(), digit_examples(heldout=True)
    assert (len(train), len(heldout)) == (1437, 360)
    assert train[0].images[0].size == (8, 8)
    assert {example.questions[0].answers for example in heldout} >= {("3", "three"), ("0", "zero")}
    pixels = [{example.images[0].tobytes() for example in part} for part in (train, heldout)]
    assert not pixels[0] & pixels[1]


def test_without_scikit_learn_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(EvaluationError, match=r"pip install 'lorify\[digits\]'"):
        digit_examples()
