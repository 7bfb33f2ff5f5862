import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_base

from lorify.contexts.encoders.encoding import TextEncoder
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_batch, as_lora_pairs, merge_chunks
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import LayerwiseMlp, PerceiverHypernetwork

MODULES = (
    AdaptedModule(name="down_proj", in_features=24, out_features=12),
    AdaptedModule(name="q_proj", in_features=12, out_features=12),
    AdaptedModule(name="up_proj", in_features=12, out_features=24),
)


def config(kind="per_layer_activations", *, num_layers=3, modules=MODULES, feature_size=12, **changes):
    shape = {"rank": 2, "latent_size": 16, "num_latents": 5, "num_blocks": 3, "num_heads": 4, "num_kv_heads": 2}
    shape |= {"head_size": 4, "scaling": 4.0, "chunk_tokens": 32, **changes}
    encoder = ContextEncoderConfig(kind=kind, num_layers=num_layers, feature_size=feature_size)
    return PerceiverConfig(
        base_name="tiny", base_digest="d", encoder=encoder, num_layers=num_layers, modules=modules, **shape
    )


def build_hypernetwork(of: PerceiverConfig) -> PerceiverHypernetwork:
    """With all parts that start at zero filled, so that they count."""
    torch.manual_seed(0)
    hypernetwork = PerceiverHypernetwork(of)
    for name, parameter in hypernetwork.named_parameters():
        if name.startswith(("scale_", "bias_B")):
            torch.nn.init.normal_(parameter)
    return hypernetwork.eval()


def features_of(of: PerceiverConfig, lengths=(7, 4)) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    shape = (of.num_layers, max(lengths)) if of.per_layer else (max(lengths),)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return torch.randn(len(lengths), *shape, of.encoder.feature_size), mask


@pytest.mark.parametrize("kind", ["per_layer_activations", "early_exit", "embeddings"])
@pytest.mark.parametrize("changes", [{}, {"mlp_per_layer": False, "residual_mlps": 2}, {"self_attentions": 2}])
def test_block_by_block_gives_the_same_numbers(kind, changes):
    of = config(kind, **changes)
    hypernetwork = build_hypernetwork(of)
    with torch.no_grad():
        together = hypernetwork(*features_of(of))
        one_by_one = hypernetwork(*features_of(of), iterative=True)
    assert together.keys() == one_by_one.keys() == {"down_proj", "q_proj", "up_proj"}
    for name, weights in together.items():
        for part in "AB":
            found, other = getattr(weights, part), getattr(one_by_one[name], part)
            assert found.abs().max() > 0.01
            torch.testing.assert_close(found, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["per_layer_activations", "early_exit", "embeddings"])
@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_chunks_in_one_sequence_give_what_they_give_alone(family, kind):
    base = tiny_base(family, num_layers=3)
    encoder, of = TextEncoder(base), config(kind, feature_size=base.hidden_size, self_attentions=1)
    hypernetwork, chunks = build_hypernetwork(of), [[5, 40, 77, 12], [130, 9, 64, 5, 81, 23, 7], [8, 8]]
    encoded = encoder.encode_packed(chunks, kind=kind, num_layers=3 if of.per_layer else 1)
    assert encoded.states.shape[-2] == sum(map(len, chunks))  # no padding
    with torch.no_grad():
        found = hypernetwork(encoded.states, encoded.mask, encoded.token_indices)
        one_by_one = hypernetwork(encoded.states, encoded.mask, encoded.token_indices, iterative=True)
        for i, chunk in enumerate(chunks):
            alone = encoder.encode([chunk], kind=kind, num_layers=3 if of.per_layer else 1)
            wanted = hypernetwork(alone.states, alone.mask)
            for name, weights in wanted.items():
                for packed in (found, one_by_one):
                    torch.testing.assert_close(packed[name].A[i], weights.A[0], rtol=0, atol=1e-5)
                    torch.testing.assert_close(packed[name].B[i], weights.B[0], rtol=0, atol=1e-5)


def test_shapes_are_those_of_the_modules():
    of = config()
    weights = build_hypernetwork(of)(*features_of(of))
    assert weights["up_proj"].A.shape == (2, 3, 2, 12)
    assert weights["up_proj"].B.shape == (2, 3, 2, 24)


def test_padding_does_not_matter():
    of = config()
    hypernetwork = build_hypernetwork(of)
    features, mask = features_of(of, lengths=(7, 4))
    with torch.no_grad():
        padded = hypernetwork(features, mask)
        alone = hypernetwork(features[1:, :, :4], mask[1:, :4])
    for name, weights in padded.items():
        torch.testing.assert_close(weights.B[1:], alone[name].B, rtol=0, atol=1e-5)


def test_a_fresh_one_changes_nothing():
    of = config()
    hypernetwork = PerceiverHypernetwork(of)
    merged = merge_chunks(hypernetwork(*features_of(of)), [1, 1], hypernetwork.bias())
    assert all(not weights.B.any() and weights.A.any() for weights in merged.values())


def test_shared_weights_are_there_once():
    own = PerceiverHypernetwork(config(num_blocks=4, self_attentions=1))
    shared = PerceiverHypernetwork(config(num_blocks=4, self_attentions=1, shared_weights=True))
    assert (len(own.perceiver.encoder.cross), len(own.perceiver.encoder.within)) == (4, 4)
    assert (len(shared.perceiver.encoder.cross), len(shared.perceiver.encoder.within)) == (2, 1)


def published(num_layers: int, hidden: int, inner: int, **changes) -> PerceiverConfig:
    module = AdaptedModule(name="down_proj", in_features=inner, out_features=hidden)
    return PerceiverConfig(
        base_name="published",
        base_digest="d",
        encoder=ContextEncoderConfig(num_layers=num_layers, feature_size=hidden),
        num_layers=num_layers,
        modules=(module,),
        scaling=2 * 8**1.5,
        chunk_tokens=512,
        **changes,
    )


def test_parameter_count_of_the_paper():
    with torch.device("meta"):
        hypernetwork = PerceiverHypernetwork(published(26, 2304, 9216))  # gemma-2-2b-it
        repository = PerceiverHypernetwork(published(26, 2304, 9216, num_blocks=9))  # its main recipe
    assert round(hypernetwork.num_parameters / 1e6) == 309
    assert round(repository.num_parameters / 1e6) == 315


def test_ranks_of_chunks_stand_one_below_the_other_and_the_bias_comes_last():
    of = config(modules=MODULES[:1])
    hypernetwork = build_hypernetwork(of)
    generated = hypernetwork(*features_of(of, lengths=(7, 4, 5)))
    scales = torch.tensor([1.0, 0.5, 2.0])
    merged = merge_chunks(generated, [1, 2], hypernetwork.bias(), chunk_scales=scales, bias_scale=3.0)["down_proj"]
    plain = generated["down_proj"]
    assert merged.A.shape == (2, 3, 6, 24)
    torch.testing.assert_close(merged.A[1, :, :2], plain.A[1] * 0.5)
    torch.testing.assert_close(merged.B[1, :, 2:4], plain.B[2])  # a chunk's scale is in A alone
    torch.testing.assert_close(merged.A[1, :, 4:], hypernetwork.bias_A["down_proj"] * 3)
    torch.testing.assert_close(merged.B[0, :, 2:4], hypernetwork.bias_B["down_proj"] * 3)  # the bias' scale is in both
    assert not merged.A[0, :, 4:].any()


def test_pairs_of_an_adapter_are_the_rows_of_a_batch():
    of = config()
    hypernetwork = build_hypernetwork(of)
    merged = merge_chunks(hypernetwork(*features_of(of)), [2], hypernetwork.bias())
    batch, pairs = as_lora_batch(merged, of.scaling), as_lora_pairs(merged)
    assert batch.keys() == pairs.keys()
    x = torch.randn(1, 3, 24)
    pair = pairs[2, "down_proj"]
    torch.testing.assert_close(batch[2, "down_proj"].delta(x), of.scaling * (x @ pair.A.T) @ pair.B.T)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"modules": MODULES[::-1]}, "in order of name"),
        ({"num_kv_heads": 3}, "not a multiple"),
        ({"num_blocks": 0}, "greater than 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        config(**changes)


@pytest.mark.parametrize(("num_layers", "bound"), [(4, 3**0.5), (1, 1.0)])
def test_initial_mlps_are_as_wide_as_published(num_layers, bound):
    """Sets for several blocks are drawn as by einops' EinMix, `sqrt(3 / inputs)`; one set as by `nn.Linear`."""
    mlp = LayerwiseMlp(num_layers, 32)
    largest = {name: weight.abs().max().item() for name, weight in mlp.named_parameters() if "norm" not in name}
    assert largest["weight_in"] == pytest.approx(bound / 32**0.5, rel=0.01)
    assert largest["weight_out"] == pytest.approx(bound / 128**0.5, rel=0.01)
    assert largest["bias_in"] <= 1 / 32**0.5 and largest["bias_out"] <= 1 / 128**0.5
