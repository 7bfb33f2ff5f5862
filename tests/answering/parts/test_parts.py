"""Adapters exported in parts: what is written, what is read back, and which part a question goes to."""

import json
import re
from collections.abc import Collection
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bad_input_helpers import no_more_than
from tiny_internalizer import DOCUMENTS, INTERNALIZER, tiny_internalizer

from lorify.adapters import Adapter
from lorify.adapters.exports.exporter import Exporter
from lorify.adapters.exports.peft import import_peft
from lorify.adapters.exports.registry import EXPORTS, ExportFormat, find_export
from lorify.adapters.probes import peft_logits, probe_logits
from lorify.answering.parts.export import export_parts
from lorify.answering.parts.records import PARTS_NAME, read_parts
from lorify.answering.parts.router import CANDIDATES, PartRouter
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.documents import document_from_text
from lorify.errors import AdapterError, HypernetworkError
from lorify.extraction.extractor import ExtractedWords
from lorify.hypernets.relevance import RELEVANCE_NAME, Relevance


def record_of(name: str) -> bytes:
    return json.dumps({"adapter": name, "document": "d", "passage": 1, "text": "t"}).encode()


COMMON = ("the", "when", "what", "does", "is", "of", "do", "where")
RELEVANCE = Relevance(threshold=0.4, unseen_weight=1.0, weights=dict.fromkeys(COMMON, 0.1))
ROUTED = replace(INTERNALIZER, relevance=RELEVANCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_parts(ROUTED, ROUTED.internalize(DOCUMENTS), tmp_path / "parts", find_export("peft"))
    return tmp_path / "parts"


def test_each_part_is_a_peft_adapter(folder: Path) -> None:
    parts = list(ROUTED.divider.divide(ROUTED.internalize(DOCUMENTS)))
    records = read_parts(folder)
    for document in DOCUMENTS:
        assert "".join(r.text for r in records if r.document == document.name) == document.text
    for record, part in zip(records, parts, strict=True):
        found = import_peft(folder / record.adapter, ROUTED.base, probe=False)
        assert torch.equal(probe_logits(ROUTED.base, found), probe_logits(ROUTED.base, part.adapter))
        loaded = peft_logits(ROUTED.base, folder / record.adapter)
        torch.testing.assert_close(loaded, probe_logits(ROUTED.base, part.adapter), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("question", "document"),
    [("When does the mill open?", "doc0"), ("What do Ada's bees like?", "doc1"), ("Where is the red boat?", "doc2")],
)
def test_a_question_goes_to_the_part_that_has_its_words(folder: Path, question: str, document: str) -> None:
    part = PartRouter.load(folder).choose(question)
    assert part is not None and part.document == document


def test_a_question_about_none_of_the_documents_goes_to_the_base(folder: Path) -> None:
    router = PartRouter.load(folder)
    for question in ("What is the capital of France?", "", "?!"):
        assert router.choose(question) is None
        assert router.choose(question, only_if_relevant=False) is not None


class StatedIn:
    """Stands in for an extractor: questions are answered by texts with a word."""

    def __init__(self, word: str) -> None:
        self.word, self.read = word, []

    def find(self, pairs):
        self.read += [text for _, text in pairs]
        found = [text.find(self.word) for _, text in pairs]
        return [None if begin < 0 else ExtractedWords(begin, begin + len(self.word), 0.5, 0.9) for begin in found]


@pytest.mark.parametrize("separator", ["\n", "\u2028", "\u0085", "\t"])
def test_texts_and_names_are_read_back_as_they_are(tmp_path: Path, separator: str) -> None:
    document = document_from_text(f"The mill{separator}opens at nine.", f"a{separator}b")
    export_parts(ROUTED, ROUTED.internalize([document]), tmp_path / "parts", find_export("gguf"))
    written = read_parts(tmp_path / "parts")
    assert "".join(part.text for part in written) == document.text
    assert written[0].document == f"a{separator}b" and "mill" in written[0].text


def test_of_many_parts_that_share_words_the_first_are_read(tmp_path: Path) -> None:
    text = "Ada's birthday is in May.\n\n" + "\n\n".join(
        f"Ada owns {i} bees and {i} hives." for i in range(2 * CANDIDATES)
    )
    adapter = ROUTED.internalize([document_from_text(text, "ada")])
    export_parts(ROUTED, adapter, tmp_path / "parts", find_export("gguf"))
    part = PartRouter.load(tmp_path / "parts", StatedIn("May")).choose("Ada?")
    assert part is not None and "May" in part.text


def test_more_parts_than_allowed_are_refused(tmp_path: Path) -> None:
    adapter = ROUTED.internalize(DOCUMENTS)
    with pytest.raises(AdapterError, match="at most 3"):
        export_parts(ROUTED, adapter, tmp_path / "parts", find_export("peft"), max_parts=3)
    assert not (tmp_path / "parts").exists()


def test_a_cancelled_export_writes_nothing(folder: Path) -> None:
    cancel = CancelToken()
    before = read_parts(folder)
    with pytest.raises(CancelledError):
        export_parts(
            ROUTED,
            ROUTED.internalize(DOCUMENTS[:2]),
            folder,
            find_export("gguf"),
            report=lambda _done, _all: cancel.cancel(),
            cancel=cancel,
        )
    assert read_parts(folder) == before


def test_among_parts_that_share_words_the_extractor_chooses(tmp_path: Path) -> None:
    text = " ".join(f"Ada lives in Torvik{i}, was born in May{i}, and owns many bees{i}." for i in range(4))
    adapter = ROUTED.internalize([document_from_text(text, "ada")])
    export_parts(ROUTED, adapter, tmp_path / "parts", find_export("gguf"))
    for word in (f"{word}{i}" for word in ("May", "Torvik", "bees") for i in range(4)):
        extractor = StatedIn(word)
        part = PartRouter.load(tmp_path / "parts", extractor).choose("When was Ada born?")
        assert part is not None and word in part.text
        assert 1 < len(extractor.read) <= CANDIDATES


def test_a_passage_is_read_with_the_one_before_it_in_its_document(tmp_path: Path) -> None:
    lines = [f"Ada{i} keeps bees in Torvik{i}, and they like clover." for i in range(6)]
    documents = [document_from_text("\n\n".join(lines[:3]), "a"), document_from_text("\n\n".join(lines[3:]), "b")]
    export_parts(ROUTED, ROUTED.internalize(documents), tmp_path / "parts", find_export("gguf"))
    extractor = StatedIn("nothing")
    PartRouter.load(tmp_path / "parts", extractor).choose("Ada0 Ada1 Ada2 Ada3 Ada4 Ada5?")
    passages: dict[tuple[int, str], str] = {}
    for record in read_parts(tmp_path / "parts"):
        key = record.passage, record.document
        passages[key] = passages.get(key, "") + record.text
    assert len(passages) > 2
    for (number, name), text in passages.items():
        assert passages.get((number - 1, name), "") + text in extractor.read


def test_documents_of_one_name_are_told_apart(tmp_path: Path) -> None:
    texts = ["The mill opens at nine.", "The mill opens at ten."]
    adapters = [ROUTED.internalize([document_from_text(text, "hours")]) for text in texts]
    both = ROUTED.combine([(adapter, 1.0) for adapter in adapters])
    export_parts(ROUTED, both, tmp_path / "parts", find_export("peft"))
    assert {part.document_number for part in read_parts(tmp_path / "parts")} == {1, 2}
    extractor = StatedIn("mill")
    part = PartRouter.load(tmp_path / "parts", extractor).choose("When does the mill open?")
    assert part is not None and part.document_number == 2
    assert set(extractor.read) == set(texts)  # neither is read with the other before it


def test_an_export_of_an_earlier_version_is_read(folder: Path) -> None:
    path = folder / PARTS_NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["document_number"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    part = PartRouter.load(folder).choose("What do Ada's bees like?")
    assert part is not None and (part.document, part.document_number) == ("doc1", None)


def test_the_extractor_reads_nothing_about_other_documents(folder: Path) -> None:
    extractor = StatedIn("mill")
    assert PartRouter.load(folder, extractor).choose("What is the capital of France?") is None
    assert extractor.read == []


def test_of_two_versions_the_last_is_chosen(tmp_path: Path) -> None:
    versions = [document_from_text(f"The mill opens at {hour}.", hour) for hour in ("nine", "ten")]
    export_parts(ROUTED, ROUTED.internalize(versions), tmp_path / "parts", find_export("peft"))
    for extractor in (None, StatedIn("mill")):
        part = PartRouter.load(tmp_path / "parts", extractor).choose("When does the mill open?")
        assert part is not None and part.document == "ten"


class RanksExporter(Exporter):
    """A toy format: a folder with the largest rank."""

    part_files = frozenset({"rank.txt"})

    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        path.mkdir()
        (path / "rank.txt").write_text(str(adapter.rank))

    def describe_loading(self, base_name: str, ranks: Collection[int]) -> str:
        return f"- Read the ranks: {sorted(ranks)}.\n"


def test_parts_are_written_and_replaced_in_any_registered_format(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = ExportFormat("a folder with a rank", None, f"{__name__}:RanksExporter")
    monkeypatch.setitem(EXPORTS, "ranks", ranks)
    export_parts(ROUTED, ROUTED.internalize(DOCUMENTS[:1]), folder, ranks)
    (record,) = read_parts(folder)
    rank = (folder / record.adapter / "rank.txt").read_text()
    assert [path.name for path in (folder / record.adapter).iterdir()] == ["rank.txt"]
    assert (folder / "README.md").read_text().endswith(f"- Read the ranks: [{rank}].\n")
    export_parts(ROUTED, ROUTED.internalize(DOCUMENTS[:1]), folder, find_export("gguf"))
    assert [record.adapter for record in read_parts(folder)] == ["part-00001.gguf"]


@pytest.mark.parametrize(("format", "programs"), [("peft", ["vLLM", "PEFT"]), ("gguf", ["llama.cpp"])])
def test_the_model_card_is_about_the_programs_of_the_format(tmp_path: Path, format: str, programs: list[str]) -> None:
    export_parts(ROUTED, ROUTED.internalize(DOCUMENTS[:1]), tmp_path / "parts", find_export(format))
    card = (tmp_path / "parts" / "README.md").read_text()
    assert re.findall("^- (.*?):", card, re.MULTILINE) == programs


def test_an_export_in_parts_replaces_an_earlier_one_of_more_parts(folder: Path) -> None:
    export_parts(ROUTED, ROUTED.internalize(DOCUMENTS[:1]), folder, find_export("gguf"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "part-00001.gguf",
        PARTS_NAME,
        RELEVANCE_NAME,
    ]


@pytest.mark.parametrize("name", ["notes.txt", "part-00001/notes.txt"])
def test_other_files_are_not_replaced(folder: Path, name: str) -> None:
    before = read_parts(folder)
    (folder / name).write_text("mine")
    with pytest.raises(AdapterError, match=name.split("/")[0]):
        export_parts(ROUTED, ROUTED.internalize(DOCUMENTS[:1]), folder, find_export("peft"))
    assert read_parts(folder) == before


def test_a_write_that_the_system_refuses_leaves_an_earlier_export_as_it_is(folder: Path) -> None:
    before, adapter = read_parts(folder), ROUTED.internalize(DOCUMENTS[:1])
    with no_more_than(2000), pytest.raises(AdapterError, match=f"{folder}.*cannot be written"):
        export_parts(ROUTED, adapter, folder, find_export("peft"))
    assert read_parts(folder) == before


def test_without_weights_of_words_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(HypernetworkError, match="export the adapter whole"):
        export_parts(INTERNALIZER, INTERNALIZER.internalize(DOCUMENTS), tmp_path / "parts", find_export("peft"))
    assert not (tmp_path / "parts").exists()


def test_a_hypernetwork_without_a_divider_exports_no_parts(tmp_path: Path) -> None:
    internalizer = tiny_internalizer(reader_width=0)
    with pytest.raises(HypernetworkError, match="cannot be divided into parts; export the adapter whole"):
        export_parts(internalizer, internalizer.internalize(DOCUMENTS), tmp_path / "parts", find_export("peft"))
    assert not (tmp_path / "parts").exists()


def test_an_adapter_that_cannot_be_divided_leaves_an_earlier_export_as_it_is(folder: Path) -> None:
    before, adapter = read_parts(folder), ROUTED.reduce(ROUTED.internalize(DOCUMENTS[:1]), "none")
    with pytest.raises(AdapterError, match="keeps no tokens"):
        export_parts(ROUTED, adapter, folder, find_export("peft"))
    assert read_parts(folder) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (PARTS_NAME, None, "is not an export in parts"),
        (PARTS_NAME, b"", "has no part"),
        (PARTS_NAME, b"\xff\xfe", "is damaged"),
        (PARTS_NAME, b'{"adapter": "part-00001"}\n', "is damaged"),
        (PARTS_NAME, record_of("../part-00001"), "is damaged"),
        (PARTS_NAME, record_of("part-00001/../other"), "is damaged"),
        (RELEVANCE_NAME, None, "is missing"),
        (RELEVANCE_NAME, b"{}", "export the adapter again"),
    ],
)
def test_a_damaged_export_is_refused(folder: Path, name: str, content: bytes | None, message: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(AdapterError, match=message):
        PartRouter.load(folder)
