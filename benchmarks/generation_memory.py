"""Memory that generating an adapter takes, as the dry run states it and as it is measured, both in one run.

Run: python benchmarks/generation_memory.py [CONFIG] [--set data.niah_max_tokens=256 ...]
The base is loaded in bfloat16 and the hypernetwork has random weights; one chunk of full length is internalized. What
PyTorch allocates is counted by its profiler; the growth of the process is what the system says, from before the first
chunk to the highest point, and also holds what libraries keep for themselves.
"""

import argparse
import resource
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from lorify.base.loading import load_base
from lorify.commands.settings import apply_settings
from lorify.contexts.encoders.loading import load_encoder
from lorify.hypernets.doc_to_lora.generation import generate_weights
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.hypernetwork_config import build_hypernetwork_config
from lorify.training.registry import load_training_config

RECIPE = Path(__file__).parents[1] / "configs" / "d2l" / "smollm2-135m-niah.json"


def allocated_bytes(run) -> int:
    """Most bytes that PyTorch has allocated at a time while `run` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    now = most = 0
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def highest_bytes() -> int:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print the three numbers, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", type=Path, default=RECIPE)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    config = load_training_config(arguments.config, lambda document: apply_settings(document, arguments.settings))
    assert isinstance(config, PerceiverTrainingConfig)
    stated = dry_run(config)
    base = load_base(config.base, dtype=torch.bfloat16, device="cpu")
    encoder = load_encoder(base, config.hypernetwork.encoder_model, quantized=False)
    shape = build_hypernetwork_config(config, base, encoder)
    hypernetwork = PerceiverHypernetwork(shape).eval()
    chunk = [5] * shape.chunk_tokens

    def run() -> None:
        generate_weights(hypernetwork, shape, encoder, [chunk], iterative=True)

    # Weights that were mapped from the file count as resident once they are read.
    weights = sum(p.nbytes for p in {id(p): p for m in (base.model, hypernetwork) for p in m.parameters()}.values())
    touched = sum(float(p.detach().sum()) for m in (base.model, hypernetwork) for p in m.parameters())
    before = resident_bytes()
    run()
    grown = highest_bytes() - before
    allocated = allocated_bytes(run)
    print(f"weights                   {weights / 2**20:8,.1f} MiB (checksum {touched:.3f})")
    for label, size in (
        ("stated by the dry run", stated.generation_bytes - weights),
        ("allocated by PyTorch", allocated),
        ("growth of the process", grown),
    ):
        print(
            f"{label:<25} {size / 2**20:8,.1f} MiB more, {(weights + size) / stated.generation_bytes:.3f} of the stated"
        )


if __name__ == "__main__":
    main()
