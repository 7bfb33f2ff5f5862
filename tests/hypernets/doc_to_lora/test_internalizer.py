import json
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from hypernets.authors_checkpoint import AuthorsCheckpoint
from tiny import tiny_base, tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from lorify.adapters import Adapter, AdapterStack, build_lora_batch, export_peft
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.answering.plan import Query
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.contexts.documents import document_from_text
from lorify.contexts.encoders.encoding import split_evenly
from lorify.errors import AdapterError, ContextError, HypernetworkError
from lorify.facade import Lorify
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.doc_to_lora.importer import import_d2l
from lorify.hypernets.doc_to_lora.internalizer import PerceiverInternalizer
from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA, check_imported
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.registry import load_internalizer

DOCUMENTS = [
    document_from_text("The mill opens at nine. Ada keeps bees there, and they like clover.", "mill"),
    document_from_text("A red boat lies in the harbour.", "boat"),
    document_from_text("Forty-two chairs stand in the hall, and nobody knows why there are so many of them.", "hall"),
]


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def hypernetwork_dir(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hypernets")
    theirs = AuthorsCheckpoint(base, modules=("down_proj", "q_proj"))
    config, hypernetwork = import_d2l(theirs.save(folder / "authors"), base)
    DOC_TO_LORA.save(folder / "ours", config.model_copy(update={"chunk_tokens": 48}), hypernetwork)
    return folder / "ours"


@pytest.fixture
def internalizer(base, hypernetwork_dir) -> PerceiverInternalizer:
    opened = load_internalizer(base, hypernetwork_dir)
    assert isinstance(opened, PerceiverInternalizer)
    return opened


def assert_same(found: Adapter, wanted: Adapter) -> None:
    assert found.lora_alpha == wanted.lora_alpha
    assert found.provenance.documents == wanted.provenance.documents
    assert found.weights.keys() == wanted.weights.keys()
    for key, pair in wanted.weights.items():
        torch.testing.assert_close(found.weights[key].A, pair.A, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.weights[key].B, pair.B, rtol=0, atol=1e-6)


def logits(base, adapter: Adapter | None) -> torch.Tensor:
    with torch.no_grad(), base.hooks.applied(build_lora_batch([adapter], base)):
        return base.model(input_ids=torch.arange(3, 20).unsqueeze(0)).logits


def test_ranks_and_alpha_tell_the_chunks(internalizer):
    adapter = internalizer.internalize(DOCUMENTS[:1])
    chunks = internalizer.split(DOCUMENTS[0])
    assert len(chunks) > 1
    assert adapter.rank == (len(chunks) + 1) * 3  # the bias adapter is one more
    assert adapter.scaling((0, "down_proj")) == pytest.approx(7.0)  # their lora_alpha, whatever the rank


def test_the_peft_folder_gives_the_same_logits(internalizer, base, tmp_path):
    adapter = internalizer.internalize(DOCUMENTS)
    export_peft(adapter, base, tmp_path / "peft")
    model = peft.PeftModel.from_pretrained(tiny_model(), tmp_path / "peft").eval()
    with torch.no_grad():
        found = model(input_ids=torch.arange(3, 20).unsqueeze(0)).logits
    torch.testing.assert_close(found, logits(base, adapter), rtol=0, atol=1e-4)
    assert (found - logits(base, None)).abs().max() > 1e-3


def test_a_saved_adapter_is_taken_apart_again(internalizer, tmp_path):
    save_adapter(internalizer.internalize(DOCUMENTS[:2]), tmp_path / "adapter")
    loaded = load_adapter(tmp_path / "adapter")
    assert_same(internalizer.add(loaded, DOCUMENTS[2:]), internalizer.internalize(DOCUMENTS))


def test_documents_come_and_go_without_a_trace(internalizer):
    together = internalizer.internalize(DOCUMENTS)
    assert_same(internalizer.remove(together, ["boat"]), internalizer.internalize(DOCUMENTS[::2]))
    changed = document_from_text("The mill is closed.", "mill")
    assert_same(internalizer.add(together, [changed]), internalizer.internalize([changed, *DOCUMENTS[1:]]))
    with pytest.raises(AdapterError, match="holds no document 'tower'"):
        internalizer.remove(together, ["tower"])
    with pytest.raises(AdapterError, match="no document would be left"):
        internalizer.remove(together, ["mill", "boat", "hall"])


def test_combining_adds_updates_and_the_bias_once(internalizer, base):
    adapters = [internalizer.internalize([document]) for document in DOCUMENTS]
    combined = internalizer.combine([(adapter, 1.0) for adapter in adapters])
    assert_same(combined, internalizer.internalize(DOCUMENTS))
    key = (1, "down_proj")

    def update(adapter: Adapter) -> torch.Tensor:
        return adapter.scaling(key) * (adapter.weights[key].B @ adapter.weights[key].A)

    bias = internalizer.hypernetwork.bias()["down_proj"]
    static = 7.0 * bias.B[0, 1].T @ bias.A[0, 1]
    half = internalizer.combine([(adapters[0], 0.5), (adapters[1], 2.0)])
    wanted = 0.5 * (update(adapters[0]) - static) + 2 * (update(adapters[1]) - static) + static
    torch.testing.assert_close(update(half), wanted, rtol=0, atol=1e-4)


def test_the_facade_asks_with_it(internalizer, base):
    model = Lorify(base, internalizer)
    adapter = model.internalize(*DOCUMENTS)
    reported: list[int] = []
    model.internalize(*DOCUMENTS, report=reported.append)
    assert len(reported) == 3
    answers = model.ask_batch(["Who keeps bees?"] * 2, [adapter, None], max_new_tokens=6)
    assert len(answers) == 2
    assert model.answerer.plan_query(Query("anything", AdapterStack.of(adapter))).adapters.adapters == (adapter,)


def test_an_empty_document(internalizer):
    with pytest.raises(ContextError, match="nothing has no text"):
        internalizer.internalize([replace(DOCUMENTS[0], text="  \n", name="nothing")])


def test_another_base_is_refused(hypernetwork_dir):
    with pytest.raises(HypernetworkError, match="load that base"):
        load_internalizer(tiny_base("qwen3"), hypernetwork_dir)


def test_a_chunk_longer_than_the_window_is_refused(base, hypernetwork_dir, tmp_path):
    config, hypernetwork = DOC_TO_LORA.load(hypernetwork_dir)
    DOC_TO_LORA.save(tmp_path / "long", config.model_copy(update={"chunk_tokens": 513}), hypernetwork)
    with pytest.raises(HypernetworkError, match="window of context encoder tiny-llama is 512"):
        load_internalizer(base, tmp_path / "long")


def test_training_of_another_kind_does_not_start_from_it(hypernetwork_dir):
    with pytest.raises(HypernetworkError, match="of kind perceiver, expected associative"):
        ASSOCIATIVE.load(hypernetwork_dir)


def test_chunks_are_even_and_have_their_affixes():
    chunks = split_evenly(range(10, 20), num_chunks=3, prefix=[1, 2], suffix=[3])
    assert chunks == [[1, 2, 10, 11, 12, 3], [1, 2, 13, 14, 15, 16, 17, 3], [1, 2, 18, 19, 3]]
    assert split_evenly([7], num_chunks=1, prefix=[1], suffix=[2]) == [[1, 7, 2]]


def test_a_wrong_import_is_refused(base, hypernetwork_dir, tmp_path):
    config, hypernetwork = DOC_TO_LORA.load(hypernetwork_dir)
    assert check_imported(base, DOC_TO_LORA.open(hypernetwork_dir, base), hypernetwork) > 0
    _, broken = DOC_TO_LORA.load(hypernetwork_dir)
    with torch.no_grad():
        broken.scale_B.mul_(1 / 8)
    DOC_TO_LORA.save(tmp_path / "weak", config, broken)
    with pytest.raises(HypernetworkError, match="differs from its checkpoint"):
        check_imported(base, DOC_TO_LORA.open(tmp_path / "weak", base), hypernetwork)


def test_import_then_internalize_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    base_dir = tmp_path / "base"
    tiny_model("mistral").save_pretrained(base_dir)
    tiny_tokenizer().save_pretrained(base_dir)
    theirs = AuthorsCheckpoint(load_base(str(base_dir)))
    theirs.save(tmp_path / "run" / "checkpoint-20")
    (tmp_path / "mill.txt").write_text(DOCUMENTS[0].text)

    def run(*args: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    result = CliRunner().invoke(
        app, ["import", str(tmp_path / "run"), "-o", str(tmp_path / "ours"), "--base", str(base_dir), "--json"]
    )
    assert json.loads(result.stdout)["kind"] == "Doc-to-LoRA"
    assert "trained for somebody/base, and only the sizes of that model are known" in result.stderr
    (tmp_path / "ours" / "confidence.json").write_text("{}")  # as `lorify eval confidence --save` leaves it
    run("import", tmp_path / "run", "-o", tmp_path / "ours", "--base", base_dir)
    assert not (tmp_path / "ours" / "confidence.json").exists()
    options = ("--base", base_dir, "--hypernetwork", tmp_path / "ours")
    run("ask", tmp_path / "mill.txt", "-q", "Who keeps bees?", "--max-tokens", 4, *options)
    run("internalize", tmp_path / "mill.txt", "-o", tmp_path / "adapter", *options)
    run("adapter", "export", tmp_path / "adapter", "-o", tmp_path / "peft", "--base", base_dir)
    assert (tmp_path / "peft" / "adapter_model.safetensors").is_file()
    (tmp_path / "run" / "checkpoint-20" / "pytorch_model.bin").write_bytes(b"PK not a checkpoint")
    assert "damaged" in run("import", tmp_path / "run", "-o", tmp_path / "other", "--base", base_dir, code=2)
    assert not (tmp_path / "other").exists()


def test_without_a_bias_adapter_it_cannot_be_scaled(internalizer):
    plain = replace(internalizer, config=internalizer.config.model_copy(update={"bias_adapter": False}))
    assert internalizer.option_names - plain.option_names == {"bias_scale"}
    with pytest.raises(HypernetworkError, match=r"has no option bias_scale.*only chunk_tokens, iterative"):
        plain.with_options(InternalizerOptions(bias_scale=0.5))


def test_combined_adapters_have_the_mean_of_their_bias_scales(internalizer):
    scaled = internalizer.with_options(InternalizerOptions(bias_scale=0.5))
    parts = [(internalizer.internalize(DOCUMENTS[:1]), 1.0), (scaled.internalize(DOCUMENTS[1:2]), 1.0)]
    assert_same(
        internalizer.combine(parts),
        internalizer.with_options(InternalizerOptions(bias_scale=0.75)).internalize(DOCUMENTS[:2]),
    )
    assert internalizer.combine(parts).provenance.bias_scale == 0.75
    assert internalizer.combine([parts[0], parts[0]]).provenance.bias_scale is None
