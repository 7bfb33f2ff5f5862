import json

import pytest
import torch
from data.sources.test_images import save_image
from pydantic import ValidationError
from tiny import tiny_base, tiny_model, tiny_tokenizer
from tiny_vlm import save_tiny_vlm
from training.small_perceiver import config
from typer.testing import CliRunner

from lorify.cli import app
from lorify.data.sources.images import load_image_examples
from lorify.errors import ConfigError
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.objective import PerceiverObjective

CLASSES = 4


@pytest.fixture
def images(tmp_path):
    for number in range(48):
        save_image(
            tmp_path / "images" / f"class_{number % CLASSES}" / f"{number}.png", 60 * (number % CLASSES) + number // 4
        )
    return tmp_path / "images"


def sections(images, **shape):
    data = {"niah": 0, "images": 1, "images_path": str(images), "batch_context_tokens": 90}
    small = {"rank": 2, "latent_size": 16, "num_latents": 3, "num_blocks": 1, "num_heads": 2, "num_kv_heads": 1}
    patches = {"encoder": "patches", "patches": {"image_size": 4, "patch_size": 2, "color": True}, "first_layer": 1}
    return {"data": data, "hypernetwork": {**small, "head_size": 8, **(shape or patches)}}


def test_images_are_learned(images):
    torch.manual_seed(0)
    image_objective = PerceiverObjective(
        config(**sections(images)), tiny_base(), train={"images": load_image_examples(images)}
    )
    drawn, again = (
        [row.chunks[0].inputs["patches"] for row in image_objective.train_batches.build(3)] for _ in range(2)
    )
    torch.testing.assert_close(drawn, again)
    optimizer = torch.optim.Adam(image_objective.module.parameters(), lr=2e-2)
    losses = []
    for step in range(30):
        loss = image_objective.loss(step)
        loss.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.metrics["loss/images"])
    assert sum(losses[-5:]) < 0.92 * sum(losses[:5])


def test_a_vision_language_encoder_learns_images_and_texts(images, tmp_path):
    vlm = save_tiny_vlm(tmp_path / "vlm", "idefics3")
    changes = sections(images, encoder_model=str(vlm), chunk_tokens=120)
    changes["data"] |= {"niah": 1, "niah_min_tokens": 60, "niah_max_tokens": 90, "batch_context_tokens": 600}
    image_objective = PerceiverObjective(config(**changes), tiny_base(), train={"images": load_image_examples(images)})
    batches = map(image_objective.train_batches.build, range(9))
    rows = next(rows for rows in batches if {row.kind for row in rows} == {"images", "niah"})
    together = image_objective.score_contexts(rows).loss
    alone = torch.cat([image_objective.score_contexts([row]).loss for row in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_images_need_an_encoder_that_sees_and_a_loss_without_a_teacher(images):
    changes = sections(images, encoder="per_layer_activations")
    with pytest.raises(ConfigError, match="data has images, but context encoder tiny-llama reads text only"):
        PerceiverObjective(config(**changes), tiny_base())
    with pytest.raises(ValidationError, match="cannot be the teacher for images"):
        config(**sections(images), optimization__loss="kl")
    changes = sections(images)
    changes["data"]["niah"] = 1
    with pytest.raises(ValidationError, match="patches are of images only"):
        config(**changes)
    with pytest.raises(ConfigError, match="blocks 2 to 1 cannot be adapted"):
        PerceiverObjective(config(**sections(images, encoder="patches", first_layer=2)), tiny_base())


def test_from_images_to_answers_on_the_command_line(images, tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    document = {"kind": "perceiver", "base": str(tmp_path / "base"), **sections(images)}
    document["optimization"] = {"steps": 2, "loss": "cross_entropy", "bf16": False}
    (tmp_path / "run.json").write_text(json.dumps(document))
    photo = images / "class_0" / "0.png"

    def run(*args: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    assert float(json.loads(run("train", tmp_path / "run.json", "--dry-run", "--json"))["hours"]) > 0
    run("train", tmp_path / "run.json", "-o", tmp_path / "run")
    options = ("--base", tmp_path / "base", "--hypernetwork", tmp_path / "run" / "best")
    answered = json.loads(run("ask", photo, "-q", "What is in the image?", "--max-tokens", 4, "--json", *options))
    assert answered["documents"][0]["name"] == "0.png"
    run("internalize", photo, "-o", tmp_path / "adapter", *options)
    run("adapter", "add", tmp_path / "adapter", images / "class_1" / "1.png", *options)
    run("chat", "--adapter", tmp_path / "adapter", "-q", "What is in the image?", "--max-tokens", 4, *options)
    scores = json.loads(run("eval", f"images:path={images}:images=6", "-m", "adapter", "--untimed", "--json", *options))
    assert [row["condition"] for row in scores["scores"]] == ["its image", "another image"]

    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:45])
    assert "image cut.png is damaged" in run("ask", tmp_path / "cut.png", "-q", "What?", *options, code=2)
    (tmp_path / "notes.txt").write_text("The mill opens at nine.")
    assert "reads images only" in run("ask", tmp_path / "notes.txt", "-q", "What?", *options, code=2)
    assert "--check reads text only" in run("internalize", photo, "-o", tmp_path / "a", "--check", *options, code=2)
    assert "prompt, reads text only" in run("ask", photo, "--compare", "-q", "What?", *options, code=2)
    wrong = run("eval", f"images:path={tmp_path / 'cache'}", "-m", "adapter", *options, code=2)
    assert "holds no images in class folders" in wrong


def test_a_recipe_with_a_vision_language_encoder_is_reckoned(tmp_path, images):
    tiny_model().save_pretrained(tmp_path / "base")
    vlm = save_tiny_vlm(tmp_path / "vlm", "gemma3")
    image_objective = config(base=str(tmp_path / "base"), **sections(images, encoder_model=str(vlm)))
    with_model, with_patches = (
        dry_run(image_objective),
        dry_run(config(base=str(tmp_path / "base"), **sections(images))),
    )
    assert with_model.weights_bytes > with_patches.weights_bytes
    for answered in (with_model, with_patches):
        assert answered.generation_bytes > answered.weights_bytes + 4 * answered.hypernetwork_parameters
