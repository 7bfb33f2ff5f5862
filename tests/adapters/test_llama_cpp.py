"""Exported GGUF LoRA files in llama.cpp itself (the package xllamacpp), beside the default base as GGUF.

Both sides compute in float32: llama.cpp rounds activations to 8 bits where weights are quantized, which turns some
answers. So the base is given to it with the weights that lorify runs, dequantized, and the adapter as it was exported.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import pytest
import torch

import lorify
from lorify import Lorify
from lorify.adapters import Adapter, AdapterStack
from lorify.adapters.exports.gguf import export_gguf
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.files.gguf_conversion import GGUF_NAME
from lorify.base.files.locate import DEFAULT_BASE, resolve_base
from lorify.contexts.documents import document_from_text

llama_cpp = pytest.importorskip("xllamacpp", reason="`make test-llama` installs xllamacpp")
pytestmark = pytest.mark.llama

NEW_TOKENS = 24
DOCUMENT = (
    "The Kestrel Mill was founded by Odo Brand in 1892. Its oven is made of blue clay. The mill opens at seven. "
    "Mara Lindqvist keeps its books. The mill has 14 windows."
)
QUESTIONS = ("Who founded the Kestrel Mill?", "What is the oven of the Kestrel Mill made of?", "Who keeps its books?")


@pytest.fixture(scope="module")
def model() -> Lorify:
    return lorify.load(dtype=torch.float32)


@pytest.fixture(scope="module")
def adapter(model: Lorify) -> Adapter:
    """As it is exported: the same for all questions."""
    return replace(model.internalize(document_from_text(DOCUMENT, "mill")), statistics=None)


@pytest.fixture(scope="module")
def server(model: Lorify, adapter: Adapter, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder = tmp_path_factory.mktemp("llama")
    write_in_float32(resolve_base(DEFAULT_BASE) / GGUF_NAME, folder / "base.gguf")
    export_gguf(adapter, model.base, folder / "adapter.gguf")
    params = llama_cpp.CommonParams()
    params.model.path = str(folder / "base.gguf")
    params.lora_adapters = [llama_cpp.CommonAdapterLoraInfo(str(folder / "adapter.gguf"), 1.0)]
    params.n_ctx = 512
    params.n_parallel = 1
    params.verbosity = 0
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.cache_type_k = params.cache_type_v = llama_cpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = llama_cpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    yield llama_cpp.Server(params)


def write_in_float32(source: Path, target: Path) -> None:
    """A quantized GGUF file with the weights that lorify makes of it: dequantized, rounded to bfloat16."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE]
    writer = gguf.GGUFWriter(target, architecture.contents())
    for field in reader.fields.values():
        if field is architecture or field.name.startswith("GGUF.") or field.name == gguf.Keys.General.FILE_TYPE:
            continue
        item = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=item)
    for tensor in reader.tensors:
        weights = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type))
        writer.add_tensor(tensor.name, weights.bfloat16().float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.0])
def test_greedy_answers_with_an_exported_adapter_are_lorifys(
    model: Lorify, adapter: Adapter, server, scale: float
) -> None:
    rows = [AdapterStack(((adapter, scale),)) if scale else None] * len(QUESTIONS)
    expected = model.ask_batch(QUESTIONS, rows, only_if_relevant=False, max_new_tokens=NEW_TOKENS)
    answers = []
    for question in QUESTIONS:
        request = {
            "prompt": build_prompt_ids(model.base.tokenizer, question_messages(question)),
            "max_tokens": NEW_TOKENS,
            "temperature": 0,
            "lora": [{"id": 0, "scale": scale}],
        }
        answers.append(server.handle_completions(request)["choices"][0]["text"].strip())
    assert answers == expected
    assert scale < 1 or "Odo Brand" in answers[0]
