"""Whether LoRAs of similar tasks are similar: Text-to-LoRA's figure of weights against descriptions.

    python reproduce/similarities.py runs/library/best --base smollm2-135m -o similarities.csv

For each pair of tasks of a library, the table has the cosine of their LoRAs (all A and B as one vector) and the cosine
of the mean embeddings of their descriptions. What is printed is the correlation of the two (Pearson).
"""

from __future__ import annotations

import argparse
import csv
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.adapters import Adapter
from lorify.base.loading import load_base
from lorify.contexts.descriptions.encoder_files import BASE_EMBEDDER, DEFAULT_EMBEDDER
from lorify.contexts.descriptions.encoding import load_description_encoder
from lorify.hypernets.text_to_lora.library import load_library


def flattened(adapter: Adapter) -> Tensor:
    """All weights of an adapter as one vector."""
    return torch.cat(
        [part.float().flatten() for _, pair in sorted(adapter.weights.items()) for part in (pair.A, pair.B)]
    )


def cosines(vectors: Tensor) -> Tensor:
    """Cosines of all pairs of rows `[n, d] -> [n (n - 1) / 2]`, in the order of `itertools.combinations`."""
    unit = F.normalize(vectors, dim=-1)
    rows, columns = torch.triu_indices(len(unit), len(unit), offset=1)
    return (unit @ unit.T)[rows, columns]


def main() -> None:
    """Write the table and print the correlation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="`best` of a run of kind lora")
    parser.add_argument("--base", help="base model; only the embedder `base` needs it")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER)
    parser.add_argument("-o", "--output", type=Path, default=Path("similarities.csv"))
    options = parser.parse_args()
    library = load_library(options.library)
    base = load_base(options.base) if options.embedder == BASE_EMBEDDER else None
    encoder = load_description_encoder(options.embedder, base=base)
    names = list(library.adapters)
    weights = cosines(torch.stack([flattened(library.adapters[name]) for name in names]))
    embedded = torch.stack([encoder.encode(library.descriptions[name]).mean(0) for name in names])
    descriptions = cosines(embedded.cpu())
    with options.output.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["first", "second", "loras", "descriptions"])
        pairs = zip(combinations(names, 2), weights.tolist(), descriptions.tolist(), strict=True)
        table.writerows([first, second, lora, text] for (first, second), lora, text in pairs)
    correlation = torch.corrcoef(torch.stack([weights, descriptions]))[0, 1].item()
    print(f"correlation {correlation:.3f} over {len(weights)} pairs of tasks; the table is {options.output}")


if __name__ == "__main__":
    main()
