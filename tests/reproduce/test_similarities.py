"""The correlation of LoRAs and descriptions of a small library."""

import csv
import runpy
import sys
from pathlib import Path

import pytest
import torch
from tiny import tiny_base, tiny_model, tiny_tokenizer

from lorify.adapters import Adapter, LoraPair, Provenance
from lorify.hypernets.text_to_lora.library import Library, save_library

SCRIPT = Path(__file__).parents[2] / "reproduce" / "similarities.py"


def lora(*values: float) -> Adapter:
    base = tiny_base()
    provenance = Provenance(base_name=base.name, base_digest=base.digest, hypernetwork="x", lorify_version="0")
    return Adapter({(0, "q_proj"): LoraPair(torch.tensor([values]), torch.tensor([[0.0]]))}, 1.0, provenance)


def test_pairs_of_tasks_have_the_cosines_of_their_loras_and_descriptions(tmp_path, monkeypatch, capsys):
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    library = {"a": lora(1, 0), "b": lora(1, 1), "c": lora(0, 2)}
    descriptions = {"a": ("Say red.",), "b": ("Say red.",), "c": ("Write a poem about the sea.",)}
    save_library(Library(library, descriptions), tmp_path / "library")
    output = tmp_path / "similarities.csv"
    arguments = [tmp_path / "library", "--base", tmp_path / "base", "--embedder", "base", "-o", output]
    monkeypatch.setattr(sys, "argv", ["similarities.py", *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    table = {(row["first"], row["second"]): row for row in csv.DictReader(output.read_text().splitlines())}
    cosines = {pair: float(row["loras"]) for pair, row in table.items()}
    assert cosines == pytest.approx({("a", "b"): 0.5**0.5, ("a", "c"): 0, ("b", "c"): 0.5**0.5}, abs=1e-6)
    assert float(table["a", "b"]["descriptions"]) == pytest.approx(1, abs=1e-5)
    pairs = [[float(row[column]) for row in table.values()] for column in ("loras", "descriptions")]
    correlation = torch.corrcoef(torch.tensor(pairs))[0, 1].item()
    assert f"correlation {correlation:.3f} over 3 pairs" in capsys.readouterr().out
