"""A new base architecture and a new export format are one registry entry each, and work through the command line."""

import json
from pathlib import Path

import pytest
from adapters.random_adapters import random_adapter
from tiny import tiny_tokenizer
from transformers import Olmo2Config, Olmo2ForCausalLM
from typer.testing import CliRunner

from lorify.adapters import Adapter, save_adapter
from lorify.adapters.exports.exporter import Exporter
from lorify.adapters.exports.registry import EXPORTS, ExportFormat
from lorify.base.architectures import ARCHITECTURES, Architecture
from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.cli import app


class RanksExporter(Exporter):
    """A toy format: the rank of each adapted linear layer."""

    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        path.write_text(json.dumps({base.module_path(*key): pair.rank for key, pair in adapter.weights.items()}))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(ARCHITECTURES, "Olmo2ForCausalLM", Architecture())
    entry = ExportFormat("a list of ranks", ".json", f"{__name__}:RanksExporter")
    monkeypatch.setitem(EXPORTS, "ranks", entry)


@pytest.fixture
def base_dir(tmp_path: Path) -> Path:
    config = Olmo2Config(
        vocab_size=272,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    Olmo2ForCausalLM(config).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def adapter_dir(base_dir: Path, tmp_path: Path) -> Path:
    base = load_base(str(base_dir))
    save_adapter(random_adapter(base, keys=((0, "down_proj"), (1, "q_proj"))), tmp_path / "adapter")
    return tmp_path / "adapter"


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    return result.exit_code, result.output


def test_a_registered_architecture_is_listed() -> None:
    code, output = run("models", "--json")
    assert code == 0 and "Olmo2ForCausalLM" in json.loads(output)["architectures"]


@pytest.mark.parametrize("command", [("merge",), ("export",), ("export", "--format", "ranks")])
def test_adapters_of_a_registered_architecture_can_be_used(
    command: tuple[str, ...], adapter_dir: Path, base_dir: Path, tmp_path: Path
) -> None:
    code, output = run("adapter", *command, adapter_dir, "-o", tmp_path / "output", "--base", base_dir)
    assert (code, output) == (0, f"{tmp_path / 'output'}\n")
    assert (tmp_path / "output").exists()


def test_a_registered_format_is_written(adapter_dir: Path, base_dir: Path, tmp_path: Path) -> None:
    run("adapter", "export", adapter_dir, "-o", tmp_path / "ranks.json", "--format", "ranks", "--base", base_dir)
    ranks = json.loads((tmp_path / "ranks.json").read_text())
    assert ranks.keys() == {"model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj"}


def test_gguf_is_refused_where_llama_cpp_has_no_such_architecture(
    adapter_dir: Path, base_dir: Path, tmp_path: Path
) -> None:
    output_path = tmp_path / "adapter.gguf"
    code, output = run("adapter", "export", adapter_dir, "-o", output_path, "--format", "gguf", "--base", base_dir)
    assert code == 2 and "llama.cpp does not support the architecture" in output
    assert not output_path.exists()


def test_an_unknown_format_is_refused(adapter_dir: Path, tmp_path: Path) -> None:
    code, output = run("adapter", "export", adapter_dir, "-o", tmp_path / "output", "--format", "pickle")
    assert code == 2 and "'pickle' is not known; choose from peft, gguf, ranks" in output
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("name", list(EXPORTS))
def test_every_format_is_described_in_the_help(name: str) -> None:
    _, output = run("adapter", "export", "--help")
    assert name in output
