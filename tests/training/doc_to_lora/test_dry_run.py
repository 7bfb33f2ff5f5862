import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest
import torch
from tiny import tiny_base, tiny_model
from torch.profiler import ProfilerActivity, profile
from training.measured_step import measure_step
from training.small_perceiver import objective
from transformers import AutoConfig
from typer.testing import CliRunner

from lorify.cli import app
from lorify.commands.settings import apply_settings
from lorify.contexts.encoders.encoding import TextEncoder
from lorify.errors import ConfigError
from lorify.hypernets.doc_to_lora.generation import generate_weights
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.hypernetwork_config import build_hypernetwork_config
from lorify.training.doc_to_lora.meta_models import hypernetwork_config_of, meta_hypernetwork
from lorify.training.engine.meta_base import meta_model
from lorify.training.registry import load_training_config

CONFIG_DIR = Path(__file__).parents[3] / "configs" / "d2l"
PARAMETERS = {
    "gemma-2-2b-it": (2614, 309),
    "mistral-7b-instruct-v0.2": (7242, 568),
    "qwen3-4b-instruct-2507": (4022, 415),
}


def read(name: str, changes: Sequence[str] = ()) -> PerceiverTrainingConfig:
    config = load_training_config(CONFIG_DIR / f"{name}.json", lambda document: apply_settings(document, changes))
    assert isinstance(config, PerceiverTrainingConfig)
    return config


@pytest.fixture(scope="module")
def tiny_dir(tmp_path_factory) -> Path:
    """Folder of a tiny base: its recipes are estimated in a second, those of published ones take ten."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model("gemma2", num_layers=3).config.save_pretrained(folder)
    return folder


@pytest.fixture
def read_tiny(tiny_dir):
    """The recipe of Gemma with the tiny base and a small Perceiver."""
    small = ("latent_size=16", "num_latents=3", "num_blocks=1", "head_size=8", "num_heads=2", "num_kv_heads=1")

    def read_config(changes: Sequence[str] = ()) -> PerceiverTrainingConfig:
        shape = [f"hypernetwork.{field}" for field in ("rank=2", "quantized_encoder=false", *small)]
        return read("gemma-2-2b-it-main", [f"base={tiny_dir}", *shape, *changes])

    return read_config


@pytest.mark.parametrize("base", PARAMETERS)
def test_published_recipes_have_the_published_numbers_of_parameters(base):
    config = read(f"{base}-main")
    model = meta_model(config.base)
    hypernetwork = meta_hypernetwork(hypernetwork_config_of(config, model, model))
    found = (round(model.num_parameters / 1e6), round(hypernetwork.num_parameters / 1e6))
    assert found == PARAMETERS[base]


@pytest.mark.parametrize(
    "base", [pytest.param(base, marks=[pytest.mark.slow] if "gemma" not in base else []) for base in PARAMETERS]
)
def test_published_recipes_are_estimated_without_weights(base):
    main = dry_run(read(f"{base}-main"))
    assert (round(main.base_parameters / 1e6), round(main.hypernetwork_parameters / 1e6)) == PARAMETERS[base]
    assert main.training_bytes == main.weights_bytes + main.training_state_bytes + main.activation_bytes
    assert main.training_bytes < 80 * 2**30  # it was trained on devices of that size


@pytest.mark.slow
@pytest.mark.parametrize("base", PARAMETERS)
def test_the_needle_takes_less_time_than_documents(base):
    assert dry_run(read(f"{base}-niah")).hours < dry_run(read(f"{base}-main")).hours


@pytest.mark.slow
def test_the_recipe_for_images_reads_the_first_blocks_of_a_vision_language_model():
    seeing, reading = read("gemma-2-2b-it-eyes-main"), read("gemma-2-2b-it-main")
    assert not seeing.data.has_images and seeing.optimization == reading.optimization  # learned from texts alone
    found, plain = dry_run(seeing), dry_run(reading)
    assert found.base_parameters == plain.base_parameters
    wider = found.hypernetwork_parameters - plain.hypernetwork_parameters
    # The projection of features f to latents of 512: two matrices of f x 4f, and one of 4f x 512.
    assert wider == pytest.approx(8 * (2560**2 - 2304**2) + 4 * 512 * (2560 - 2304), rel=1e-3)
    assert found.weights_bytes > plain.weights_bytes


@pytest.mark.parametrize("changes", [{}, {"latent_size": 16, "num_latents": 3, "head_size": 8}])
@pytest.mark.parametrize("kind", ["per_layer_activations", "early_exit", "embeddings"])
def test_memory_of_generation_is_what_pytorch_allocates(kind, changes, tmp_path):
    base = tiny_base()
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    shape = {"encoder": kind, "encoder_layers": 0 if kind == "embeddings" else 2, "num_blocks": 2, **changes}
    config = PerceiverTrainingConfig.model_validate(
        {"base": str(tmp_path), "hypernetwork": {**shape, "chunk_tokens": 300}}
    )
    stated = dry_run(config)
    encoder = TextEncoder(base)
    of = build_hypernetwork_config(config, base, encoder)
    hypernetwork = PerceiverHypernetwork(of)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        generate_weights(hypernetwork, of, encoder, [[5] * 300], iterative=True)
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    most = max(accumulate(event.nbytes() for event in events))
    weights = sum(p.nbytes for p in [*base.model.parameters(), *hypernetwork.parameters()])
    assert stated.generation_bytes - weights == pytest.approx(most, rel=0.15)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_cost_of_a_step_is_what_pytorch_measures(family, tmp_path):
    base = tiny_base(family, num_layers=3, vocab_size=2000)
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    data = {"niah": 1, "facts": 0, "niah_min_tokens": 200, "niah_max_tokens": 200, "chunk_probabilities": [1.0],
            "questions_per_context": 1}  # fmt: skip
    changes = {f"data__{name}": value for name, value in data.items()}
    of = objective(base, **changes, optimization__bf16=True, hypernetwork__chunk_tokens=240)
    rows = of.train_batches.build(0)
    contexts, questions = (sum(getattr(row, f"num_{k}_tokens") for row in rows) for k in ("context", "question"))
    answers = sum(len(segment.answer) for row in rows for segment in row.segments)
    sizes = {"batch_context_tokens": contexts, "batch_question_tokens": questions}
    config = of.config.model_copy(
        update={
            "base": str(tmp_path),
            "data": of.config.data.model_copy(update=sizes),
            "hypernetwork": of.config.hypernetwork.model_copy(update={"chunk_tokens": contexts // len(rows)}),
        }
    )
    stated = dry_run(config, answer_share=answers / questions)
    peak, flops = measure_step(of)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)


def test_every_recipe_is_a_config():
    names = [path.stem for path in CONFIG_DIR.glob("*.json")]
    assert len(names) == 16
    assert all(read(name).kind == "perceiver" for name in names)


def test_estimates_follow_the_config(read_tiny):
    small, large = (dry_run(read_tiny([f"data.batch_context_tokens={tokens}"])) for tokens in (2048, 4096))
    assert small.activation_bytes < large.activation_bytes < 2 * small.activation_bytes
    doubled = dry_run(read_tiny(["optimization.accumulation=16"]))
    assert doubled.hours == pytest.approx(2 * large.hours)


def test_time_counts_reading_and_the_teacher_only_where_nothing_is_stored(read_tiny):
    stored = dry_run(read_tiny())
    generated = dry_run(read_tiny(["data.self_generated=0", "data.niah=1"]))
    untaught = dry_run(read_tiny(["data.self_generated=0", "data.niah=1", "optimization.loss=cross_entropy"]))
    assert stored.reading_seconds_a_step > 0 == generated.reading_seconds_a_step
    computing = stored.seconds_a_step - stored.reading_seconds_a_step
    assert computing == pytest.approx(untaught.seconds_a_step)
    # The teacher reads the questions with their contexts: 4,096 tokens of each, in eight batches.
    taught = generated.flops_a_step - untaught.flops_a_step
    assert taught == pytest.approx(8 * 2 * stored.base_parameters * 2 * 4096, rel=0.01)
    assert stored.flops_a_step == untaught.flops_a_step


def test_sharding_leaves_a_share_of_what_no_batch_needs_whole(read_tiny):
    alone, eight = (dry_run(read_tiny(["sharded=true", f"num_processes={processes}"])) for processes in (1, 8))
    assert alone.training_state_bytes == 16 * alone.hypernetwork_parameters
    assert eight.training_state_bytes == pytest.approx((8 + 12 / 8) * alone.hypernetwork_parameters)


def test_a_sharded_base_takes_a_share_of_its_blocks_and_one_that_runs(read_tiny, tiny_dir):
    whole, alone, eight = (
        dry_run(read_tiny([f"sharded_base={sharded}", f"num_processes={processes}"]))
        for sharded, processes in (("false", 8), ("true", 1), ("true", 8))
    )
    shape = AutoConfig.from_pretrained(tiny_dir)
    # Embeddings and the last norm stay whole.
    blocks = whole.base_parameters - shape.vocab_size * shape.hidden_size - shape.hidden_size
    assert alone.weights_bytes == whole.weights_bytes
    share_saved = 1 - 1 / 8 - 1 / shape.num_hidden_layers
    assert whole.weights_bytes - eight.weights_bytes == pytest.approx(2 * blocks * share_saved)
    assert whole.generation_bytes == eight.generation_bytes


def test_a_module_that_is_not_there(read_tiny):
    with pytest.raises(ConfigError, match="has no 'c_attn'; it has down_proj"):
        dry_run(read_tiny(['hypernetwork.modules=["c_attn"]']))
    with pytest.raises(ConfigError, match="not a multiple of num_kv_heads"):
        dry_run(read_tiny(["hypernetwork.num_kv_heads=3"]))


def test_on_the_command_line(read_tiny, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(read_tiny().model_dump_json())
    result = CliRunner().invoke(app, ["train", str(path), "--dry-run", "--json"])
    number = json.loads(result.stdout)["hypernetwork_parameters"]
    assert number > 0
    shown = CliRunner().invoke(app, ["train", str(path), "--dry-run"]).stdout
    assert f"{number / 1e6:.1f}M parameters, trained" in shown
