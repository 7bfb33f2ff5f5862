"""GGUF bases: split ones are read together, and what is no whole model is refused before it is loaded."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from lorify.base.files.gguf_files import check_complete, find_shards, merge_shards
from lorify.base.files.locate import resolve_base
from lorify.errors import BaseModelError

BLOCK = ("attn_q.weight", "attn_k.weight", "ffn_up.weight")
ALL = ["token_embd.weight", "output_norm.weight", *(f"blk.{b}.{name}" for b in range(3) for name in BLOCK)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))


def write(path: Path, names: Iterable[str], *, header: Callable[[GGUFWriter], object] = lambda _: None) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_name("tiny")
    header(writer)
    for number, name in enumerate(names):
        writer.add_tensor(name, np.full((2, 4), number, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def split(number: int) -> Callable[[GGUFWriter], None]:
    def header(writer: GGUFWriter) -> None:
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(ALL))

    return header


def shards(folder: Path) -> list[Path]:
    return [
        write(folder / f"m-{number + 1:05d}-of-00002.gguf", ALL[number::2], header=split(number)) for number in (0, 1)
    ]


def test_a_whole_file_is_complete(tmp_path):
    check_complete([write(tmp_path / "a.gguf", ALL)])


def test_shards_are_found_from_any_of_them_and_are_complete_together(tmp_path):
    both = shards(tmp_path)
    assert find_shards(both[0]) == find_shards(both[1]) == both
    check_complete(both)
    merge_shards(both, tmp_path / "whole.gguf")
    check_complete([tmp_path / "whole.gguf"])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_shard_is_named(tmp_path, lost):
    both = shards(tmp_path)
    both[lost].unlink()
    with pytest.raises(BaseModelError, match=f"{re.escape(both[lost].name)} is missing; put all of them"):
        resolve_base(str(both[1 - lost]))


def test_a_renamed_shard_is_refused(tmp_path):
    renamed = shards(tmp_path)[0].rename(tmp_path / "model.gguf")
    with pytest.raises(BaseModelError, match=r"model\.gguf is one of 2 files of a model; name them"):
        resolve_base(str(renamed))


@pytest.mark.parametrize(
    "lost", ["token_embd.weight", "output_norm.weight", "blk.1.attn_k.weight", "blk.2.ffn_up.weight"]
)
def test_missing_tensors_are_named(tmp_path, lost):
    path = write(tmp_path / "a.gguf", [name for name in ALL if name != lost])
    with pytest.raises(BaseModelError, match=rf"a\.gguf is incomplete: it lacks 1 tensors \({re.escape(lost)}\)"):
        resolve_base(str(path))


def test_missing_blocks_are_named(tmp_path):
    path = write(tmp_path / "a.gguf", [name for name in ALL if "blk.2" not in name])
    with pytest.raises(BaseModelError, match=r"lacks 3 tensors \(blk\.2"):
        resolve_base(str(path))


@pytest.mark.parametrize(
    ("kind", "names", "reason"),
    [
        ("adapter", ["blk.0.attn_q.weight.lora_a"], "a LoRA adapter, not a base model"),
        ("", ["blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"], "a LoRA adapter, not a base model"),
        ("mmproj", ["v.patch_embd.weight"], "the image encoder of a model"),
        ("imatrix", ["blk.0.attn_q.weight.counts"], "a matrix for quantizing"),
        ("vocab", [], "a vocabulary without weights"),
    ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, kind, names, reason):
    path = write(tmp_path / "a.gguf", names, header=lambda writer: kind and writer.add_type(kind))
    with pytest.raises(BaseModelError, match=f"a.gguf is {reason}"):
        resolve_base(str(path))


@pytest.mark.parametrize(
    "foreign", ["blk.3.attn_q.weight", "blk.0.ssm_a.weight", "v.patch_embd.weight", "extra.weight"]
)
def test_tensors_of_other_models_are_refused_by_name(tmp_path, foreign):
    path = write(tmp_path / "a.gguf", [*ALL, foreign])
    with pytest.raises(BaseModelError, match=rf"a\.gguf holds 1 tensors that are not part of its model \({foreign}\)"):
        resolve_base(str(path))


def test_biases_and_rope_factors_belong_to_a_model(tmp_path):
    check_complete([write(tmp_path / "a.gguf", [*ALL, "rope_freqs.weight", "output.weight"])])
    biases = [f"blk.{block}.attn_q.bias" for block in range(3)]
    check_complete([write(tmp_path / "b.gguf", [*ALL, *biases])])


def test_a_shard_is_refused_before_any_weight_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "lorify.base.files.locate.convert_gguf", lambda *_: pytest.fail("weights are loaded"), raising=False
    )
    both = shards(tmp_path)
    both[1].unlink()
    with pytest.raises(BaseModelError, match="missing"):
        resolve_base(str(both[0]))


def test_a_cut_file_is_refused(tmp_path):
    path = write(tmp_path / "a.gguf", ALL)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BaseModelError, match=r"a\.gguf cannot be read as a language model"):
        resolve_base(str(path))
