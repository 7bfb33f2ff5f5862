"""`lorify ask photo.png` with a hypernetwork that reads images through a tiny random vision-language model."""

import json
from pathlib import Path

import pytest
from contexts.encoders.test_vision import noise
from hypernets.test_images import of_vlm, save_random
from tiny import tiny_model, tiny_tokenizer
from tiny_vlm import save_tiny_vlm
from typer.testing import CliRunner

import lorify
from lorify.adapters.storage import load_adapter
from lorify.base.chat.prompts import question_messages, with_system_turn
from lorify.base.loading import load_base
from lorify.cli import app


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    tiny_model().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    base = load_base(str(folder / "base"))
    vlm = save_tiny_vlm(folder / "vlm", "gemma3", num_layers=4)
    save_random(folder / "hypernetwork", base, of_vlm(vlm, base.num_layers), system_turn=True)
    return ["--base", str(folder / "base"), "--hypernetwork", str(folder / "hypernetwork")]


def succeed(*args: object) -> str:
    result = CliRunner().invoke(app, [*map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_question_about_a_photo_is_answered_with_what_it_became(tmp_path: Path, options: list[str]) -> None:
    noise(0).save(tmp_path / "photo.png")
    asked = ("ask", tmp_path / "photo.png", "-q", "What is in the image?", "--max-tokens", 12, *options)
    told = json.loads(succeed(*asked, "--json"))
    assert [record["name"] for record in told["documents"]] == ["photo.png"]
    assert told["documents"][0]["num_tokens"] > 4
    (answered,) = told["answers"]
    assert answered["question"] == "What is in the image?"
    bare = lorify.load(options[1])
    messages = with_system_turn(question_messages("What is in the image?"))  # as the hypernetwork wants chats to begin
    assert answered["answer"] != "".join(bare.stream(messages, max_new_tokens=12)).strip()
    assert answered["answer"] in succeed(*asked)


def test_two_photos_become_two_adapters(tmp_path: Path, options: list[str]) -> None:
    weights = []
    for number in (0, 1):
        noise(number).save(tmp_path / f"{number}.png")
        succeed("internalize", tmp_path / f"{number}.png", "-o", tmp_path / f"adapter-{number}", *options)
        weights.append(load_adapter(tmp_path / f"adapter-{number}").weights)
    assert weights[0].keys() == weights[1].keys()
    assert max(float((weights[0][key].B - weights[1][key].B).abs().max()) for key in weights[0]) > 1e-3


def test_a_damaged_photo_is_one_line(tmp_path: Path, options: list[str]) -> None:
    noise(0).save(tmp_path / "photo.png")
    (tmp_path / "photo.png").write_bytes((tmp_path / "photo.png").read_bytes()[:200])
    result = CliRunner().invoke(app, ["ask", str(tmp_path / "photo.png"), "-q", "What is it?", *options])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and "photo.png" in result.stderr


def test_imagenette_is_measured_through_the_vision_language_model(tmp_path: Path, options: list[str]) -> None:
    for number, name in enumerate(("n01440764", "n03888257", "n03425413")):
        (tmp_path / "set" / "val" / name).mkdir(parents=True)
        noise(number).save(tmp_path / "set" / "val" / name / "0.png")
    suite, run = f"imagenette:path={tmp_path / 'set'}", tmp_path / "run"
    told = json.loads(
        succeed("eval", suite, "-m", "none,adapter", "--untimed", "--max-tokens", 12, "-o", run, "--json", *options)
    )
    assert {row["method"]: row["questions"] for row in told["scores"]} == {"none": 3, "adapter": 3}
    rows = [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]
    by_method = {name: [row["prediction"] for row in rows if row["method"] == name] for name in ("none", "adapter")}
    assert len(set(by_method["none"])) == 1  # the bare base is asked the same question, and sees no image
    assert by_method["adapter"] != by_method["none"]
    assert sorted(row["answers"][0] for row in rows if row["method"] == "none") == ["gas pump", "parachute", "tench"]
