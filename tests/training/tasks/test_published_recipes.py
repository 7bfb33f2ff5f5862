"""The recipes with Text-to-LoRA's published values (README and scripts of its repository)."""

from pathlib import Path

import pytest
import torch

from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.text_to_lora.config import SIZES, TaskConfig
from lorify.hypernets.text_to_lora.network import TaskHypernetwork
from lorify.training.registry import load_training_config

FOLDER = Path(__file__).parents[3] / "configs" / "t2l"
BASES = {
    "mistral-7b-instruct-v0.2": ("mistralai/Mistral-7B-Instruct-v0.2", 128, 512),
    "llama-3.1-8b-instruct": ("meta-llama/Llama-3.1-8B-Instruct", 512, 2048),
    "gemma-2-2b-it": ("google/gemma-2-2b-it", 512, 2048),
}
NUM_TASKS, EPOCHS = 479, 20_000


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("run", ["sft-L", "sft-M", "sft-S", "hyperdecoders", "multi-task"])
def test_training_through_the_base_has_the_published_values(name, run):
    config = load_training_config(FOLDER / f"{name}-{run}.json")
    base, latent_size, head_input_size = BASES[name]
    data, optimization = config.data, config.optimization
    steps = NUM_TASKS // data.tasks_per_batch * EPOCHS
    assert (config.base, config.seed) == (base, 42)
    assert (optimization.steps, optimization.warmup_steps) == (steps, int(0.2 * steps)) == (1_180_000, 236_000)
    assert (optimization.schedule, optimization.learning_rate, optimization.beta2) == ("linear", 2.5e-5, 0.999)
    assert optimization.weight_decay == (1e-3 if run == "multi-task" else 1e-2)
    assert (optimization.label_smoothing, optimization.neftune_alpha, optimization.lora_dropout) == (0.1, 5, 0.05)
    assert (data.max_descriptions, data.max_instance_tokens, data.long_instances) == (128, 512, "truncate")
    assert (data.heldout_description_share, data.heldout_instance_share, data.heldout_family_share) == (0, 0, 0)
    assert (data.prompts, data.task_order, data.split_batches, data.suite) == ("published", "epochs", True, False)
    assert data.adapter_from == ("prompt" if run == "hyperdecoders" else "description")
    lora = config.lora if run == "multi-task" else config.hypernetwork
    assert (lora.modules, lora.rank, lora.lora_alpha, lora.use_rslora) == (("q_proj", "v_proj"), 8, 16, True)
    if run != "multi-task":
        assert config.hypernetwork.size == (run[-1] if run.startswith("sft") else "L")
        assert (lora.latent_size, lora.head_input_size) == (latent_size, head_input_size)
        assert lora.embedder == "Alibaba-NLP/gte-large-en-v1.5"


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("num", [9, 479])
def test_reconstruction_has_the_published_values(name, num):
    config = load_training_config(FOLDER / f"{name}-reconstruction-{num}.json")
    steps = -(-num // 4) * 10_000  # batches of 4 adapters, 10,000 epochs
    assert (config.optimization.steps, config.optimization.warmup_steps) == (steps, steps // 10)
    assert (config.optimization.learning_rate, config.optimization.weight_decay) == (1e-3, 1e-3)
    assert (config.target, config.delta_w_scaling, config.head_bias) == ("delta_w", 10_000, False)
    assert (config.tasks_per_batch, config.task_order, config.hypernetwork.size) == (4, "epochs", "M")
    library = load_training_config(FOLDER / f"{name}-library-{num}.json")
    assert (library.optimization.learning_rate, library.optimization.average_over) == (8e-5, "tokens")
    assert str(config.library) == f"runs/{name}-library-{num}/best"


@pytest.mark.parametrize(("size", "millions"), [("L", 55.25), ("M", 34.28), ("S", 4.92)])
def test_the_three_sizes_have_the_papers_numbers_of_parameters(size, millions):
    # The fields are those of the recipes for Mistral-7B, and the numbers those of the paper.
    modules = (
        AdaptedModule(name="q_proj", in_features=4096, out_features=4096),
        AdaptedModule(name="v_proj", in_features=4096, out_features=1024),
    )
    config = TaskConfig(
        base_name="mistral",
        base_digest="",
        embedder_name="gte",
        embedding_size=1024,
        layers=tuple(range(32)),
        modules=modules,
        **SIZES[size],
    )
    with torch.device("meta"):
        network = TaskHypernetwork(config)
    # The paper counts the trunk and the weights of the heads.
    trunk = [network.mixer, network.block1, network.block2, network.neck]
    num_parameters = sum(p.numel() for part in trunk for p in part.parameters())
    num_parameters += sum(head.weight.numel() for head in network.heads.values())
    assert num_parameters / 1e6 == pytest.approx(millions, abs=0.005)
