import json

import pytest

from lorify.data.sources.texts import load_text_examples
from lorify.errors import EvaluationError

PARAGRAPH = (
    "The council bought the old mill beside the river in the spring of 1974. "
    "Nobody had lived there since the flood that took the bridge and both of its towers away. "
    "Volunteers mended the wheel, the roof and the long wooden channel within two summers."
)


def write(path, *texts) -> None:
    path.write_text("".join(json.dumps({"text": text, "id": i}) + "\n" for i, text in enumerate(texts)))


def test_passages_are_whole_paragraphs_with_their_sentences_to_complete(tmp_path):
    write(tmp_path / "docs.jsonl", f"# Title\n\n{PARAGRAPH}\n\n{PARAGRAPH.replace('mill', 'forge')}")
    first, second = load_text_examples(tmp_path / "docs.jsonl", max_context_chars=len(PARAGRAPH) + 20)
    assert first.documents == (f"# Title\n\n{PARAGRAPH}",)
    assert "forge" in second.documents[0]
    for question in first.questions:
        beginning = question.text.removeprefix("How does this sentence go on? ")
        assert f"{beginning} {question.answers[0]}" in PARAGRAPH
    assert len(first.questions) == 3


def test_a_paragraph_that_is_too_long_is_left_out(tmp_path):
    write(tmp_path / "docs.jsonl", f"{'word ' * 500}\n\n{PARAGRAPH}")
    (example,) = load_text_examples(tmp_path / "docs.jsonl", max_context_chars=400)
    assert example.documents == (PARAGRAPH,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"title": "x"}\n', r"line 1 has no `text`"),
        ("nonsense\n", "line 1: not JSON"),
        ('{"text": "Short."}\n', "gave no passages"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / "docs.jsonl").write_text(content)
    with pytest.raises(EvaluationError, match=message):
        load_text_examples(tmp_path / "docs.jsonl", max_context_chars=400)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_text_examples(tmp_path / "docs.jsonl", max_context_chars=400)
