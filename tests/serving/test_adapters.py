"""Adapters of a server: created, changed, checked, exported, deleted."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from openai import OpenAI
from serving.running import QUESTION, RunningServer, ask, checked_adapter, expected_answer, http_client, new_adapter
from serving.tiny_lorify import TEXTS

from lorify.adapters.exports.peft import import_peft
from lorify.answering.checks.fidelity import check_adapter, fidelity
from lorify.answering.parts.router import PartRouter
from lorify.contexts.documents import document_from_text
from lorify.hypernets.relevance import Relevance
from lorify.serving.storage.store import AdapterStore

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_adapters_are_created_changed_and_deleted(server: RunningServer) -> None:
    with http_client(server) as client:
        files = [("file", ("a.txt", TEXTS[0])), ("file", ("../../b.html", f"<p>{TEXTS[1]}</p>"))]
        created = client.post("/v1/adapters", files=files).json()
        assert [document["name"] for document in created["documents"]] == ["a.txt", "b.html"]
        again = client.post("/v1/adapters", files=files).json()
        assert (again["id"], again["reused"], created["reused"]) == (created["id"], True, False)

        change = {"add": [{"name": "c", "text": TEXTS[2]}], "remove": ["a.txt"]}
        changed = client.patch(f"/v1/adapters/{created['id']}", json=change).json()
        assert [document["name"] for document in changed["documents"]] == ["b.html", "c"]
        assert client.get(f"/v1/adapters/{created['id']}").status_code == 404
        replaced = client.patch(f"/v1/adapters/{changed['id']}", files=[("file", ("c", TEXTS[3]))]).json()
        assert [document["name"] for document in replaced["documents"]] == ["b.html", "c"]
        assert replaced["documents"][1]["sha256"] == document_from_text(TEXTS[3]).digest

        shown = client.get(f"/v1/adapters/{replaced['id']}").json()
        assert shown in client.get("/v1/adapters").json()["data"]
        assert client.delete(f"/v1/adapters/{shown['id']}").json() == {
            "id": shown["id"],
            "object": "adapter",
            "deleted": True,
        }
        assert client.get(f"/v1/adapters/{shown['id']}").status_code == 404


def test_an_unknown_document_is_refused_with_those_that_are_there(server: RunningServer) -> None:
    id = new_adapter(server, TEXTS[0])["id"]
    with http_client(server) as client:
        (known,) = (document["name"] for document in client.get(f"/v1/adapters/{id}").json()["documents"])
        change = {"add": [{"name": "new", "text": TEXTS[2]}], "remove": ["old"]}
        refused = client.patch(f"/v1/adapters/{id}", json=change)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"] == f"the adapter holds no document 'old'; it holds {known}"


def test_the_fidelity_of_an_adapter_is_measured_on_request(server: RunningServer) -> None:
    text = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
    model = server.service.model
    document = document_from_text(text, "elm")
    expected = fidelity(
        [item.is_held for item in check_adapter(model.answerer, model.internalize(document), [document])]
    )
    with http_client(server) as client:
        created = client.post("/v1/adapters?check=true", json={"text": text, "name": "elm"}).json()
        assert (created["fidelity"], created["checking"]) == (None, True)
        shown = checked_adapter(client, created["id"])
        assert shown["fidelity"] == pytest.approx(expected, abs=1e-3)
        again = client.post("/v1/adapters?check=true", json={"text": text, "name": "elm"}).json()
        assert (again["fidelity"], again["checking"]) == (shown["fidelity"], False)
        empty = client.post("/v1/adapters?check=true", json={"text": "so it goes"}).json()
        shown = checked_adapter(client, empty["id"])
        assert shown["fidelity"] is None  # it has no statements to check
        assert client.post("/v1/adapters?check=true", json={"task": "shout"}).status_code == 400


def test_added_documents_are_checked_on_request(server: RunningServer) -> None:
    text = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
    id = new_adapter(server, TEXTS[3])["id"]
    with http_client(server) as client:
        refused = client.patch(f"/v1/adapters/{id}?check=true", json={"remove": ["doc"]})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "check")
        changed = client.patch(f"/v1/adapters/{id}?check=true", json={"add": [{"name": "elm", "text": text}]}).json()
        assert (changed["fidelity"], changed["checking"]) == (None, True)
        shown = checked_adapter(client, changed["id"])
        assert 0 <= shown["fidelity"] <= 1


def test_an_exported_adapter_is_the_same_one(server: RunningServer, tmp_path: Path) -> None:
    adapter = new_adapter(server, TEXTS[2])
    with http_client(server) as client:
        exported = client.get(f"/v1/adapters/{adapter['id']}/export")
        assert client.get(f"/v1/adapters/{adapter['id']}/export?format=gguf").content.startswith(b"GGUF")
        assert client.get(f"/v1/adapters/{adapter['id']}/export?format=pickle").status_code == 400
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        archive.extractall(tmp_path)
    model = server.service.model
    answer = model.ask(QUESTION, import_peft(tmp_path, model.base), max_new_tokens=12)
    assert answer == expected_answer(server, TEXTS[2])


def test_an_adapter_is_exported_in_parts(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relevance = Relevance(threshold=0.5, unseen_weight=1.0, weights={})
    model = server.service.model
    monkeypatch.setattr(model, "_internalizer", replace(model.internalizer, relevance=relevance))
    adapter = new_adapter(server, TEXTS[2])
    with http_client(server) as client:
        exported = client.get(f"/v1/adapters/{adapter['id']}/export?parts=true")
        gguf = client.get(f"/v1/adapters/{adapter['id']}/export?parts=true&format=gguf")
        monkeypatch.setattr("lorify.serving.http.routes.adapters.MAX_PARTS", 0)
        refused = client.get(f"/v1/adapters/{adapter['id']}/export?parts=true")
    assert refused.status_code == 400 and "at most 0" in refused.json()["error"]["message"]
    assert any(name.endswith(".gguf") for name in zipfile.ZipFile(io.BytesIO(gguf.content)).namelist())
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        archive.extractall(tmp_path)
    part = PartRouter.load(tmp_path).choose(QUESTION, only_if_relevant=False)
    assert part is not None and part.text in TEXTS[2]
    assert import_peft(tmp_path / part.adapter, server.service.model.base).rank > 0


def test_answering_does_not_list_all_adapters(
    server: RunningServer, ann: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_adapter(server, TEXTS[0])["model"]
    monkeypatch.delattr(AdapterStore, "list")
    assert ask(ann, model).choices[0].message.content == expected_answer(server, TEXTS[0])
    assert ann.models.retrieve(model).id == model
