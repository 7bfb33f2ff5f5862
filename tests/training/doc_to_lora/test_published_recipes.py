"""The recipes with Doc-to-LoRA's published values (scripts/main_exp, scripts/niah and configs of its repository)."""

from pathlib import Path

import pytest

from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.registry import load_training_config

FOLDER = Path(__file__).parents[3] / "configs" / "d2l"
BASES = {
    "gemma-2-2b-it": "google/gemma-2-2b-it",
    "mistral-7b-instruct-v0.2": "mistralai/Mistral-7B-Instruct-v0.2",
    "qwen3-4b-instruct-2507": "Qwen/Qwen3-4B-Instruct-2507",
}
CHUNKS = (0.5, 0.125, *[0.0625] * 6)
NIAH = {  # max_packed_inp_len and max_packed_ctx_len, gradient_accumulation_steps, gen_lora_l1_reg_coef
    "gemma-2-2b-it": (4096, 16, 1.5),
    "mistral-7b-instruct-v0.2": (1024, 64, 2.0),
    "qwen3-4b-instruct-2507": (2048, 32, 0.5),
}


def recipe(name: str) -> PerceiverTrainingConfig:
    config = load_training_config(FOLDER / f"{name}.json")
    assert isinstance(config, PerceiverTrainingConfig)
    return config


def check_what_all_have(config: PerceiverTrainingConfig) -> None:
    hypernetwork, optimization = config.hypernetwork, config.optimization
    assert (hypernetwork.modules, hypernetwork.rank, hypernetwork.latent_size) == (("down_proj",), 8, 512)
    assert (hypernetwork.num_blocks, hypernetwork.self_attentions, hypernetwork.shared_weights) == (8, 0, False)
    assert hypernetwork.system_turn
    assert (config.data.carry_over, config.data.questions_per_context, config.data.min_chunk_tokens) == (True, 1, 25)
    assert optimization.average_over == "contexts" and optimization.weight_decay == 0.01
    assert (optimization.beta2, optimization.schedule) == (0.999, "cosine")
    assert optimization.learning_rate * optimization.final_learning_rate_ratio == pytest.approx(1e-7)
    assert config.keep_last


@pytest.mark.parametrize("name", [*BASES, "gemma-2-2b-it-eyes"])
@pytest.mark.parametrize("stage", ["main", "main-chunks"])
def test_both_stages_have_the_published_values(name, stage):
    config, chunks, eyes = recipe(f"{name}-{stage}"), stage == "main-chunks", name.endswith("eyes")
    check_what_all_have(config)
    hypernetwork, data, optimization = config.hypernetwork, config.data, config.optimization
    assert config.base == BASES[name.removesuffix("-eyes")]
    assert (hypernetwork.encoder, hypernetwork.num_latents) == ("per_layer_activations", 8)
    assert hypernetwork.quantized_encoder
    assert hypernetwork.encoder_model == ("google/gemma-3-4b-it" if eyes else None)
    assert hypernetwork.encoder_layers == (26 if eyes else None)
    assert hypernetwork.chunk_tokens == (512 if chunks else None)
    assert (data.self_generated, data.niah, data.facts, data.sampling) == (1, 0, 0, "questions")
    assert data.chunk_probabilities == (CHUNKS if chunks else (1.0,))
    small = chunks and not eyes
    assert (data.batch_context_tokens, data.batch_question_tokens) == ((2048, 1024) if small else (4096, 4096))
    assert data.max_question_tokens == (512 if small else 2048)
    assert (optimization.accumulation, config.num_processes) == (16 if small else 8, 8)
    assert (optimization.loss, optimization.teacher_top_k, optimization.l1_weight) == ("kl", 16, 0.1)
    assert optimization.neftune_alpha == 5
    assert (optimization.steps, optimization.warmup_steps) == ((20_000, 2000) if chunks else (80_000, 100))
    assert optimization.learning_rate == (2e-5 if chunks else 4e-5)
    assert config.init_from == (Path(f"runs/{name}-main/last") if chunks else None)


def test_without_qa_data_only_the_files_differ():
    whole, without = recipe("gemma-2-2b-it-main"), recipe("gemma-2-2b-it-main-no-qa")
    assert without.data.self_generated_files == ("**/fw_qa_v2/**/*.parquet",)
    data = without.data.model_copy(update={"self_generated_files": ()})
    assert without.model_copy(update={"data": data}) == whole


@pytest.mark.parametrize("name", BASES)
def test_the_needle_experiment_has_the_published_values(name):
    config = recipe(f"{name}-niah")
    check_what_all_have(config)
    hypernetwork, data, optimization = config.hypernetwork, config.data, config.optimization
    batch_tokens, accumulation, l1_weight = NIAH[name]
    assert (config.base, config.seed) == (BASES[name], 1)
    assert (hypernetwork.encoder, hypernetwork.num_latents) == ("early_exit", 208)
    assert (hypernetwork.encoder_layers, hypernetwork.chunk_tokens, hypernetwork.quantized_encoder) == (
        None,
        512,
        False,
    )
    assert (data.niah, data.niah_min_tokens, data.niah_max_tokens) == (1, 32, 256)
    assert (data.batch_context_tokens, data.batch_question_tokens) == (batch_tokens, batch_tokens)
    assert data.chunk_probabilities == CHUNKS
    assert (optimization.accumulation, optimization.l1_weight) == (accumulation, l1_weight)
    assert (optimization.loss, optimization.neftune_alpha) == ("cross_entropy", 0)
    assert (optimization.learning_rate, optimization.warmup_steps) == (4e-5, 100)
    # One pass over 640,000 contexts: about 26, 6.5 or 13 of them fill a batch.
    assert 1400 < optimization.steps < 1700
