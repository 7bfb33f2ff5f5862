import hashlib
import json

import pytest
import torch
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.contexts.descriptions.text import DescriptionWarning
from lorify.errors import BaseModelError, ConfigError, ContextError, HypernetworkError
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.text_to_lora.config import SIZES, TaskConfig, task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import EmbeddingSpecializer, task_lora_batch

BASE = tiny_base()
MODULES = ("q_proj", "v_proj", "down_proj")
SMALL = {"rank": 4, "latent_size": 32, "head_input_size": 24, "num_codes": 6}
ENCODERS = ("linear", "one_hot", "vq", "softmax")
EMBEDDINGS = torch.randn(3, BASE.hidden_size, generator=torch.Generator().manual_seed(3))


def small_config(**fields) -> TaskConfig:
    return task_config(BASE, BaseEncoder(BASE), modules=MODULES, **(SMALL | fields))


def build(config, *, spread: float = 0.3):
    """An untrained hypernetwork whose heads are no longer at their start, in evaluation mode."""
    torch.manual_seed(0)
    hypernetwork = build_task_hypernetwork(config)
    with torch.no_grad():
        for parameter in hypernetwork.heads.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
    return hypernetwork.eval()


def specializer(**fields) -> EmbeddingSpecializer:
    config = small_config(**fields)
    return EmbeddingSpecializer(BASE, config, build(config), BaseEncoder(BASE), "tasks", "e" * 64)


@pytest.mark.parametrize(("size", "millions"), [("L", 55.25), ("M", 34.28), ("S", 4.92)])
def test_sizes_for_mistral_7b_are_the_papers(size, millions):
    modules = [("q_proj", 4096, 4096), ("v_proj", 4096, 1024)]
    config = TaskConfig(
        base_name="mistralai/Mistral-7B-Instruct-v0.2",
        base_digest="d",
        embedder_name="Alibaba-NLP/gte-large-en-v1.5",
        embedding_size=1024,
        layers=tuple(range(32)),
        modules=tuple(AdaptedModule(name=n, in_features=i, out_features=o) for n, i, o in modules),
        **SIZES[size],
    )
    with torch.device("meta"):
        hypernetwork = build_task_hypernetwork(config)
    # The paper counts neither the task encoder nor the biases of the heads.
    biases = {"L": 8 * (2 * 4096 + 4096 + 1024), "M": 8 * 2 * 4096, "S": 2 * 4096}[size]
    assert round((hypernetwork.num_parameters - biases - 64 * (1024 + 1 + 2)) / 1e6, 2) == millions


@pytest.mark.parametrize("task_encoder", ENCODERS)
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_encoder_writes_all_modules_batched_as_one_by_one(size, task_encoder):
    config = small_config(size=size, task_encoder=task_encoder, num_codes=6 + (task_encoder == "one_hot"))
    hypernetwork = build(config)
    with torch.no_grad():
        together = hypernetwork(EMBEDDINGS).weights
        alone = [hypernetwork(row.unsqueeze(0)).weights for row in EMBEDDINGS]
    for module in config.modules:
        stack = together[module.name]
        assert stack.A.shape == (3, 2, 4, module.in_features)
        assert stack.B.shape == (3, 2, module.out_features, 4)
        torch.testing.assert_close(stack.A, torch.cat([one[module.name].A for one in alone]))
        torch.testing.assert_close(stack.B, torch.cat([one[module.name].B for one in alone]))
        assert not torch.allclose(stack.A[:, 0], stack.A[:, 1]), "blocks get weights of their own"
        assert torch.linalg.matrix_rank(stack.A[0, 0]) == 4, "ranks get weights of their own"


@pytest.mark.parametrize("size", SIZES)
def test_hyper_init_starts_every_description_at_one_small_adapter(size):
    config = small_config(size=size)
    torch.manual_seed(0)
    weights = build_task_hypernetwork(config).eval()(EMBEDDINGS).weights
    for module in config.modules:
        stack = weights[module.name]
        assert (stack.A == stack.A[:1, :1]).all()
        assert 0 < stack.A.abs().max() <= module.in_features**-0.5
        assert stack.B.abs().max() <= (0 if size == "L" else module.in_features**-0.5)


def test_reconstruction_heads_start_random():
    weights = build_task_hypernetwork(small_config(hyper_init=False)).eval()(EMBEDDINGS).weights
    assert not torch.allclose(weights["q_proj"].A[0], weights["q_proj"].A[1])


@pytest.mark.parametrize("task_encoder", ENCODERS)
def test_every_encoder_learns(task_encoder):
    hypernetwork = build(small_config(task_encoder=task_encoder, num_codes=7)).train()
    generated = hypernetwork(EMBEDDINGS)
    loss = generated.encoder_loss + sum(s.A.square().mean() + s.B.square().mean() for s in generated.weights.values())
    loss.backward()
    unmoved = [name for name, p in hypernetwork.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not unmoved


def test_quantized_codes_move_towards_what_is_assigned_to_them():
    encoder = build(small_config(task_encoder="vq")).task_encoder.train()
    for layer in encoder.net:
        layer.eval()  # no dropout

    def distance() -> float:
        return torch.cdist(encoder.net(EMBEDDINGS), encoder.codebook).amin(-1).sum().item()

    first = distance()
    for _ in range(300):
        _, loss = encoder(EMBEDDINGS)
    assert distance() < 0.5 * first
    assert loss > 0
    encoder.eval()
    codebook = encoder.codebook.clone()
    encoder(EMBEDDINGS)
    torch.testing.assert_close(encoder.codebook, codebook, rtol=0, atol=0)


@pytest.mark.parametrize(("offset", "learned"), [("fixed", False), ("learned", True)])
def test_offset_is_added_for_every_task_and_learned_on_demand(offset, learned):
    hypernetwork = build(small_config(offset=offset))
    before = hypernetwork(EMBEDDINGS).weights
    table = hypernetwork.output_range.offset
    values = {name: LoraStack(torch.randn_like(table[name].A), torch.randn_like(table[name].B)) for name in MODULES}
    table.fill(values)
    after = hypernetwork(EMBEDDINGS).weights
    for name in MODULES:
        torch.testing.assert_close(after[name].A, before[name].A + values[name].A)
        torch.testing.assert_close(after[name].B, before[name].B + values[name].B)
    assert all(parameter.requires_grad == learned for parameter in table.parameters())


@pytest.mark.parametrize("use_rslora", [True, False])
def test_specialized_adapter_equals_the_training_batch_and_survives_storage(tmp_path, use_rslora):
    loaded = specializer(use_rslora=use_rslora)
    texts = ["Sort the numbers.", "Answer in French."]
    with torch.no_grad():
        weights = loaded.hypernetwork(loaded.encoder.encode(texts)).weights
    input_ids = torch.arange(10, 18).view(2, 4)
    for index, text in enumerate(texts):
        save_adapter(loaded.specialize(text), tmp_path / str(index))
    adapters = [load_adapter(tmp_path / str(index)) for index in range(2)]
    with torch.no_grad():
        with BASE.hooks.applied(task_lora_batch(loaded.config, weights)):
            trained = BASE.model(input_ids).logits
        with BASE.hooks.applied(build_lora_batch(adapters, BASE)):
            used = BASE.model(input_ids).logits
        bare = BASE.model(input_ids).logits
    torch.testing.assert_close(used, trained)
    assert (used - bare).abs().amax(dim=(1, 2)).min() > 1e-3


def test_provenance_names_base_hypernetwork_and_description():
    text = "Decide whether\nthe review is positive. " * 4
    provenance = specializer().specialize(text).provenance
    assert (provenance.base_digest, provenance.hypernetwork) == (BASE.digest, "tasks")
    (record,) = provenance.documents
    assert record.digest == hashlib.sha256(text.encode()).hexdigest()
    assert record.name.startswith("task: Decide whether the review is positive. ") and len(record.name) < 100
    assert record.num_tokens == len(BASE.encode_text(text))


def test_an_empty_description_is_refused():
    with pytest.raises(ContextError, match="is empty"):
        specializer().specialize("  ")


def test_another_base_or_encoder_is_refused():
    loaded = specializer()
    other = tiny_base("qwen2")
    with pytest.raises(HypernetworkError, match="was made for tiny-llama"):
        EmbeddingSpecializer(other, loaded.config, loaded.hypernetwork, loaded.encoder, "tasks", "e" * 64)
    with pytest.raises(HypernetworkError, match="reads embeddings of base"):
        EmbeddingSpecializer(BASE, loaded.config, loaded.hypernetwork, BaseEncoder(other), "tasks", "e" * 64)


def test_an_encoder_that_cannot_be_checked_is_warned_about():
    loaded = specializer()
    config = loaded.config.model_copy(update={"embedder_digest": None, "embedder_name": "organisation/encoder"})
    with pytest.warns(DescriptionWarning, match="cannot be checked"):
        EmbeddingSpecializer(BASE, config, loaded.hypernetwork, loaded.encoder, "tasks", "e" * 64)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"size": "XL"}, ConfigError, "expected one of L, M, S"),
        ({"rank": 0, "latent_size": 30}, ConfigError, "rank: .*; latent_size: "),
        ({"modules": ("q_proj", "q_proj")}, ConfigError, "named twice"),
        ({"modules": ("c_attn",)}, BaseModelError, "no linear layer 'c_attn'"),
        ({"size": "S", "task_encoder": "one_hot", "num_codes": 6}, ConfigError, "even trunk width, not 11"),
    ],
)
def test_impossible_shapes_are_refused_in_one_line(fields, error, message):
    with pytest.raises(error, match=message) as caught:
        task_config(BASE, BaseEncoder(BASE), **({"modules": MODULES} | SMALL | fields))
    assert "\n" not in str(caught.value)


def test_round_trip_exact_and_packed(tmp_path):
    config = small_config(offset="fixed", head_input_size=64)
    hypernetwork = build(config)
    TEXT_TO_LORA.save(tmp_path / "exact", config, hypernetwork, exact=True)
    TEXT_TO_LORA.save(tmp_path / "packed", config, hypernetwork)
    read_config, exact = TEXT_TO_LORA.load(tmp_path / "exact")
    assert read_config == config
    for name, tensor in hypernetwork.state_dict().items():
        torch.testing.assert_close(exact.state_dict()[name], tensor, rtol=0, atol=0)
    packed = TEXT_TO_LORA.load(tmp_path / "packed")[1]
    wanted, found = hypernetwork(EMBEDDINGS).weights["q_proj"].A, packed(EMBEDDINGS).weights["q_proj"].A
    assert (wanted - found).norm() < 0.05 * wanted.norm()


def of_another_kind(folder):
    document = json.loads((folder / "config.json").read_text()) | {"kind": "associative"}
    (folder / "config.json").write_text(json.dumps(document))


def of_another_rank(folder):
    document = json.loads((folder / "config.json").read_text()) | {"rank": 5}
    (folder / "config.json").write_text(json.dumps(document))


def of_another_version(folder):
    document = json.loads((folder / "config.json").read_text()) | {"format_version": 99}
    (folder / "config.json").write_text(json.dumps(document))


def without_weights(folder):
    (folder / "hypernetwork.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (of_another_kind, "of kind associative, expected task"),
        (of_another_rank, "damaged or of another kind"),
        (of_another_version, "format version 99"),
        (without_weights, "is missing"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path, damage, message):
    config = small_config()
    TEXT_TO_LORA.save(tmp_path / "h", config, build(config))
    damage(tmp_path / "h")
    with pytest.raises(HypernetworkError, match=message) as caught:
        TEXT_TO_LORA.load(tmp_path / "h")
    assert "\n" not in str(caught.value)
