"""GGUF LoRA files, read back with the gguf package and compared with what transformers makes of a GGUF base."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from adapters.random_adapters import random_adapter
from tiny import tiny_base
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

from lorify.adapters.exports.gguf import export_gguf
from lorify.errors import AdapterError

NAMES = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}


def read(path: Path) -> tuple[gguf.GGUFReader, dict[str, np.ndarray]]:
    reader = gguf.GGUFReader(path)
    return reader, {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3"])
def test_every_pair_is_there_under_llama_cpps_name(family: str, tmp_path: Path) -> None:
    base = tiny_base(family)
    adapter = random_adapter(base, keys=tuple(base.linear_keys))
    export_gguf(adapter, base, tmp_path / "adapter.gguf")
    reader, tensors = read(tmp_path / "adapter.gguf")
    architecture = {"mistral": "llama"}.get(family, family)
    assert reader.fields["general.architecture"].contents() == architecture
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.type"].contents() == "lora"
    assert reader.fields["adapter.lora.alpha"].contents() == adapter.lora_alpha
    assert len(tensors) == 2 * len(adapter.weights)
    for (layer, module), pair in adapter.weights.items():
        name = f"blk.{layer}.{NAMES[module]}.weight"
        np.testing.assert_array_equal(tensors[f"{name}.lora_a"], pair.A.float().cpu().numpy())
        B = tensors[f"{name}.lora_b"]
        if architecture == "llama" and module in ("q_proj", "k_proj"):
            heads = 3 if module == "q_proj" else 1
            B = LlamaTensorProcessor()._reverse_permute_weights(B, heads, heads)
        np.testing.assert_array_equal(B, pair.B.float().cpu().numpy())
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.gguf"]


def test_the_rows_of_queries_change_places_in_llama_alone(tmp_path: Path) -> None:
    base = tiny_base("llama")
    adapter = random_adapter(base, keys=tuple(base.linear_keys))
    export_gguf(adapter, base, tmp_path / "adapter.gguf")
    _, tensors = read(tmp_path / "adapter.gguf")
    B = torch.from_numpy(tensors["blk.0.attn_q.weight.lora_b"])
    assert not torch.equal(B, adapter.weights[0, "q_proj"].B.float())


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    base = tiny_base("llama")
    with pytest.raises(AdapterError, match="is a folder"):
        export_gguf(random_adapter(base), base, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(AdapterError, match="cannot be written"):
        export_gguf(random_adapter(base), base, tmp_path / "file" / "adapter.gguf")
    with pytest.raises(AdapterError, match="was made for"):
        export_gguf(random_adapter(base), tiny_base("qwen3"), tmp_path / "adapter.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_reads_back_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_base("llama")
    export_gguf(random_adapter(base), base, tmp_path / "adapter.gguf")
    before = (tmp_path / "adapter.gguf").read_bytes()
    write = gguf.GGUFWriter.add_tensor
    monkeypatch.setattr(gguf.GGUFWriter, "add_tensor", lambda self, name, tensor: write(self, name, tensor / 8))
    with pytest.raises(AdapterError, match="does not read back as the same adapter"):
        export_gguf(random_adapter(base, 1), base, tmp_path / "adapter.gguf")
    assert (tmp_path / "adapter.gguf").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.gguf"]
