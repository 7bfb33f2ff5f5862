"""Export adapters as GGUF LoRA files for llama.cpp, which loads them with `--lora FILE` next to a GGUF base.

Tensors have llama.cpp's names for the base's weights, followed by `.lora_a [r, d_in]` or `.lora_b [d_out, r]`. The
update of each pair is scaled by `adapter.lora.alpha / r`, as in lorify.
Source: `convert_lora_to_gguf.py` and `src/llama-adapter.cpp` of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import gguf
import numpy as np
from torch import Tensor

from lorify.adapters.adapter import Adapter
from lorify.adapters.exports.exporter import Exporter, different_export
from lorify.atomic import replaced_file, reported_write_errors
from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

_LOADING = """\
- llama.cpp: `--lora part-00001.gguf ... --lora-init-without-apply`; a request names the numbers of the adapters
  that are on: `"lora": [{"id": 0, "scale": 1.0}]`.
"""
_ARCHITECTURES = {name: architecture for architecture, name in gguf.MODEL_ARCH_NAMES.items()}


class GgufExporter(Exporter):
    """Writes GGUF LoRA files."""

    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter; see `export_gguf`. No probe prompt is run in llama.cpp."""
        del probe
        export_gguf(adapter, base, path)

    def describe_loading(self, base_name: str, ranks: Collection[int]) -> str:
        """Describe how llama.cpp's server loads the parts."""
        del base_name, ranks
        return _LOADING


def export_gguf(adapter: Adapter, base: BaseLM, path: Path) -> None:
    """Write an adapter as a GGUF LoRA file in float32; an existing file is replaced atomically.

    The file is read back, and every tensor and the scale are compared, before it is moved to `path`.

    Args:
        adapter: the adapter.
        base: the base it is for.
        path: file to write.

    Raises:
        AdapterError: if the adapter does not fit the base, llama.cpp does not support the base's architecture, or the
            file cannot be written or reads back as a different adapter.
    """
    adapter.check_base(base)
    if base.architecture.gguf_name is None:
        raise AdapterError(f"llama.cpp does not support the architecture of base {base.name}; export as PEFT instead")
    architecture = _ARCHITECTURES[base.architecture.gguf_name]
    if path.is_dir():
        raise AdapterError(f"{path} is a folder; give a file to write to, such as {path}.gguf")
    tensors = _tensors(adapter, base, architecture)
    with reported_write_errors(path, AdapterError), replaced_file(path) as temporary:
        _write(tensors, adapter.lora_alpha, architecture, temporary)
        _check_same(tensors, adapter.lora_alpha, temporary)


def _tensors(adapter: Adapter, base: BaseLM, architecture: gguf.MODEL_ARCH) -> dict[str, np.ndarray]:
    """Return the tensors to write, under llama.cpp's names."""
    names = gguf.get_tensor_name_map(architecture, base.num_layers)
    tensors: dict[str, np.ndarray] = {}
    for (layer, module), pair in adapter.weights.items():
        name = names.get_name(base.module_path(layer, module))
        if name is None:
            raise AdapterError(f"llama.cpp has no name for {module!r} of block {layer}; export as PEFT instead")
        B = pair.B
        if base.architecture.gguf_interleaves_heads and module in ("q_proj", "k_proj"):
            B = _interleaved(B, _num_heads(base, module))
        tensors[f"{name}.weight.lora_a"] = _array(pair.A)
        tensors[f"{name}.weight.lora_b"] = _array(B)
    return tensors


def _write(tensors: Mapping[str, np.ndarray], lora_alpha: float, architecture: gguf.MODEL_ARCH, path: Path) -> None:
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, lora_alpha)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check_same(tensors: Mapping[str, np.ndarray], lora_alpha: float, path: Path) -> None:
    """Refuse a file that reads back as a different adapter."""
    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    alpha = reader.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    same = alpha is not None and np.isclose(alpha.contents(), lora_alpha, rtol=1e-6, atol=0)
    same = same and found.keys() == tensors.keys()
    if not same or not all(np.isfinite(x).all() and np.array_equal(found[name], x) for name, x in tensors.items()):
        raise different_export("GGUF")


def _num_heads(base: BaseLM, module: str) -> int:
    config = base.model.config
    return int(config.num_attention_heads if module == "q_proj" else config.num_key_value_heads)


def _interleaved(B: Tensor, num_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection's `B [d_out, r]` for llama.cpp's `llama` models.

    Hugging Face's rotary embedding pairs a channel with the one half a head further on; in these models it pairs
    neighbours.
    """
    d_out, rank = B.shape
    return B.reshape(num_heads, 2, d_out // num_heads // 2, rank).transpose(1, 2).reshape(d_out, rank)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().contiguous().numpy()
