"""What the Perceiver costs beside the matrix products that its formulas ask for, on the CPU, both in one run.

Run: python benchmarks/perceiver.py [--tokens 256] [--repeats 5]
CPU seconds of one thread are compared, so that other programs do not decide.
"""

import argparse
import time
from collections.abc import Callable

import torch

from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.text_to_lora.config import AdaptedModule

LAYERS, HIDDEN, INNER = 8, 576, 1536


def shape() -> PerceiverConfig:
    return PerceiverConfig(
        base_name="benchmark",
        base_digest="",
        encoder=ContextEncoderConfig(num_layers=LAYERS, feature_size=HIDDEN),
        num_layers=LAYERS,
        modules=(AdaptedModule(name="down_proj", in_features=INNER, out_features=HIDDEN),),
        scaling=45.25,
        chunk_tokens=512,
    )


def bare_products(
    config: PerceiverConfig, hypernetwork: PerceiverHypernetwork, features: torch.Tensor, layers_at_once: int
) -> Callable:
    """The matrix products of one forward pass, on weights of the same shapes, and nothing else.

    No norm, activation, softmax, mask or copy; inputs are made before. `layers_at_once` are multiplied in one go.
    """
    weights = {name: p.detach() for name, p in hypernetwork.named_parameters() if p.ndim > 1}
    d, Q, n = config.latent_size, config.num_latents, layers_at_once
    outputs, tokens = config.rank * len(config.modules), features.shape[2]
    heads, kv_heads, size = config.num_heads, config.num_kv_heads, config.head_size
    wide, source = torch.randn(n * tokens, 4 * HIDDEN), torch.randn(n * tokens, d)
    latents, wanted, rows = torch.randn(n * Q, d), torch.randn(n * outputs, d), torch.randn(n, outputs, d)
    gated, inner = torch.randn(n * max(Q, outputs), 4 * d), torch.randn(n, outputs, 4 * d)

    def attention(prefix: str, queries: torch.Tensor, seen: torch.Tensor) -> None:
        q = (queries @ weights[f"{prefix}.attention.q_proj.weight"].T).view(n, -1, heads, size)
        k = (seen @ weights[f"{prefix}.attention.k_proj.weight"].T).view(n, -1, kv_heads, size)
        v = (seen @ weights[f"{prefix}.attention.v_proj.weight"].T).view(n, -1, kv_heads, size)
        # Query heads of one key head stand below each other, so that nothing is repeated.
        q = q.view(n, -1, kv_heads, heads // kv_heads, size).permute(0, 2, 3, 1, 4).flatten(2, 3)
        mixed = (q @ k.permute(0, 2, 3, 1)) @ v.transpose(1, 2)
        mixed.reshape(len(queries), -1) @ weights[f"{prefix}.attention.o_proj.weight"].T
        queries @ weights[f"{prefix}.mlp.gate_proj.weight"].T
        queries @ weights[f"{prefix}.mlp.up_proj.weight"].T
        gated[: len(queries)] @ weights[f"{prefix}.mlp.down_proj.weight"].T

    def run() -> None:
        for first in range(0, LAYERS, n):
            x = features[0, first : first + n].flatten(0, 1)
            x @ weights["perceiver.projection.gate_proj.weight"].T
            x @ weights["perceiver.projection.up_proj.weight"].T
            wide @ weights["perceiver.projection.down_proj.weight"].T
            for block in range(config.num_blocks):
                attention(f"perceiver.encoder.cross.{block}", latents, source)
            attention("perceiver.decoder.cross.0", wanted, latents)
            rows @ weights["mlps.0.weight_in"][first : first + n]
            inner @ weights["mlps.0.weight_out"][first : first + n]
            rows @ weights["head"][first : first + n, 0]

    return run


def cpu_seconds(run: Callable, repeats: int) -> float:
    """Least CPU time of several runs."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


@torch.no_grad()
def main() -> None:
    """Print the ratio for both modes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = shape()
    hypernetwork = PerceiverHypernetwork(config).eval()
    features = torch.randn(1, LAYERS, arguments.tokens, HIDDEN)
    mask = torch.ones(1, arguments.tokens, dtype=torch.bool)
    for name, iterative, layers_at_once in (("all at once", False, LAYERS), ("block by block", True, 1)):
        bare = cpu_seconds(bare_products(config, hypernetwork, features, layers_at_once), arguments.repeats)
        own = cpu_seconds(lambda i=iterative: hypernetwork(features, mask, iterative=i), arguments.repeats)
        print(f"{name:<15} {own:.3f} s of CPU, bare products of the same shapes {bare:.3f}: {own / bare:.2f} times")


if __name__ == "__main__":
    main()
