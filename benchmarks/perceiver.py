"""What the Perceiver costs beside the matrix products that its formulas ask for, on the CPU, both in one run.

Run: python benchmarks/perceiver.py [--tokens 256] [--repeats 5]
CPU seconds of one thread are compared, so that other programs do not decide.
"""

import argparse
import time
from collections.abc import Callable

import torch

from lorify.hypernets.perceiver import ContextEncoderConfig, PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.task_config import AdaptedModule

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


def bare_products(config: PerceiverConfig, hypernet: PerceiverHypernetwork, features: torch.Tensor) -> Callable:
    """The matrix products of one forward pass, on weights of the same shapes, and nothing else."""
    weights = {name: p for name, p in hypernet.named_parameters() if p.ndim > 1}
    d, Q = config.latent_size, config.num_latents
    outputs = config.rank * len(config.modules)
    wide = torch.randn(features.shape[2], 4 * HIDDEN)
    source, latents = torch.randn(features.shape[2], d), torch.randn(Q, d)
    heads, size = config.num_heads, config.head_size

    def attention(prefix: str, queries: torch.Tensor, seen: torch.Tensor) -> None:
        q = (queries @ weights[f"{prefix}.attention.q_proj.weight"].T).view(-1, heads, size).transpose(0, 1)
        k = (seen @ weights[f"{prefix}.attention.k_proj.weight"].T).view(-1, config.num_kv_heads, size).transpose(0, 1)
        v = (seen @ weights[f"{prefix}.attention.v_proj.weight"].T).view(-1, config.num_kv_heads, size).transpose(0, 1)
        k, v = (x.repeat_interleave(heads // config.num_kv_heads, 0) for x in (k, v))
        mixed = (q @ k.transpose(1, 2)) @ v
        mixed.transpose(0, 1).reshape(len(queries), -1) @ weights[f"{prefix}.attention.o_proj.weight"].T
        mlp = f"{prefix}.mlp"
        hidden = queries @ weights[f"{mlp}.gate_proj.weight"].T
        queries @ weights[f"{mlp}.up_proj.weight"].T
        hidden @ weights[f"{mlp}.down_proj.weight"].T

    def run() -> None:
        for layer in range(LAYERS):
            x = features[0, layer]
            x @ weights["perceiver.projection.gate_proj.weight"].T
            x @ weights["perceiver.projection.up_proj.weight"].T
            wide @ weights["perceiver.projection.down_proj.weight"].T
            for block in range(config.num_blocks):
                attention(f"perceiver.encoder.cross.{block}", latents, source)
            attention("perceiver.decoder.cross.0", torch.randn(outputs, d), latents)
            rows = torch.randn(outputs, d)
            (rows @ weights["mlps.0.weight_in"][layer]) @ weights["mlps.0.weight_out"][layer]
            rows @ weights["head"][layer, 0]

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
    hypernet = PerceiverHypernetwork(config).eval()
    features = torch.randn(1, LAYERS, arguments.tokens, HIDDEN)
    mask = torch.ones(1, arguments.tokens, dtype=torch.bool)
    bare = cpu_seconds(bare_products(config, hypernet, features), arguments.repeats)
    print(f"bare products   {bare:.3f} s of CPU")
    for name, iterative in (("batched", False), ("block by block", True)):
        own = cpu_seconds(lambda i=iterative: hypernet(features, mask, iterative=i), arguments.repeats)
        print(f"{name:<15} {own:.3f} s of CPU, {own / bare:.2f} times")


if __name__ == "__main__":
    main()
