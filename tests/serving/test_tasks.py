"""Task descriptions turned into adapters and used through OpenAI's client."""

from collections.abc import Iterator
from unittest.mock import patch

import httpx2
import openai
import pytest
from openai import OpenAI
from serving.running import BASE, RunningServer, serving
from serving.tiny_lorify import TEXTS, save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

from lorify.answering.calibration.description_estimate import DescriptionModel, DescriptionSignals
from lorify.contexts.documents import document_from_text

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

QUESTION = "What is it?"
TASK = "Repeat the sentence in capital letters."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder, base = tmp_path_factory.mktemp("tasks"), tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))
    with serving(folder, owners=("ann", "bob"), model=model) as running:
        yield running


def post(server: RunningServer, name: str = "ann", **body: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {server.keys[name]}"}
    return httpx2.post(f"{server.url}/v1/adapters", json=body, headers=headers, timeout=600)


def ask(client: OpenAI, model: str = BASE, **options) -> str:
    messages = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=12, extra_body=options)
    assert answer.adapter_on is (model != BASE or "adapters" in options)
    return answer.choices[0].message.content


def expected_answer(server: RunningServer, *parts: tuple[str, float]) -> str:
    """The Python API's answer with the adapters of documents, and of the task if a text is `TASK`."""
    model = server.service.model
    generated = [
        (model.specialize(text) if text == TASK else model.internalize(document_from_text(text)), scale)
        for text, scale in parts
    ]
    return model.ask(QUESTION, model.combine(generated) if generated else None, max_new_tokens=12)


def test_a_task_becomes_a_model(server: RunningServer) -> None:
    response = post(server, task=TASK)
    adapter = response.json()
    assert response.status_code == 201 and adapter["model"] == f"{BASE}:{adapter['id']}"
    assert [document["name"] for document in adapter["documents"]] == [f"task: {TASK}"]
    client = server.client()
    assert ask(client, adapter["model"]) == expected_answer(server, (TASK, 1.0)) != ask(client)
    assert adapter["model"] in {model.id for model in client.models.list()}
    assert post(server, task=TASK).json()["id"] == adapter["id"]


def test_a_task_and_a_document_are_combined_with_their_scales(server: RunningServer) -> None:
    document, task = post(server, text=TEXTS[1]).json(), post(server, task=TASK).json()
    client = server.client()
    answers = []
    for scale in (1.0, 0.5, 0.0):
        adapters = [{"id": document["id"], "scale": 1.0}, {"id": task["id"], "scale": scale}]
        parts = [(TEXTS[1], 1.0), (TASK, scale)] if scale else [(TEXTS[1], 1.0)]
        answers.append(ask(client, adapters=adapters))
        assert answers[-1] == expected_answer(server, *parts)
    assert len(set(answers)) == 3
    beside = ask(client, task["model"], adapters=[{"id": document["id"], "scale": 1.0}])
    assert beside == answers[0]


def test_a_task_is_hidden_from_other_owners(server: RunningServer) -> None:
    model = post(server, task=TASK).json()["model"]
    with pytest.raises(openai.NotFoundError):
        ask(server.client("bob"), model)


def test_an_empty_task_is_refused(server: RunningServer) -> None:
    response = post(server, task="  ")
    assert response.status_code == 400 and "empty" in response.json()["error"]["message"]


def test_the_estimate_and_a_low_ones_warning_are_in_the_adapter(server: RunningServer) -> None:
    model = server.service.model
    fitted = {"hypernetwork_digest": model.specializer.digest, "threshold": 0.3, "auroc": 0.8, "questions": 9}
    unlikely = DescriptionModel(bias=-2.0, weights=(0.0,) * len(DescriptionSignals._fields), **fitted)
    with patch.dict(model.__dict__, {"description_model": unlikely}):
        adapter = post(server, task="Say what day it is.").json()
    assert adapter["follows"] == pytest.approx(0.1192)
    assert [note for note in adapter["warnings"] if "estimated at 12%" in note]
    headers = {"Authorization": f"Bearer {server.keys['ann']}"}
    shown = httpx2.get(f"{server.url}/v1/adapters/{adapter['id']}", headers=headers).json()
    assert shown["follows"] == adapter["follows"]
    with patch.dict(model.__dict__, {"description_model": unlikely}):
        found = post(server, task="Say what day it is.").json()
    assert (found["reused"], found["follows"], found["warnings"]) == (True, adapter["follows"], adapter["warnings"])
    assert post(server, task=TASK).json()["follows"] is None
