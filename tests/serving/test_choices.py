"""Answers out of a list, from the server."""

from collections.abc import Iterator

import httpx2
import pytest
from serving.running import BASE, RunningServer, serving
from serving.tiny_lorify import TEXTS

from lorify.contexts.documents import document_from_text

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
CHOICES = ["nine", "ten", "noon"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("choices"), owners=("ann", "bob")) as running:
        yield running


def post(server: RunningServer, path: str, name: str = "ann", **body: object) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {server.keys[name]}"}
    return httpx2.post(f"{server.url}/v1/{path}", json=body, headers=headers, timeout=600)


def test_choices_get_the_probabilities_of_the_python_api(server: RunningServer) -> None:
    adapter = post(server, "adapters", text=TEXTS[0]).json()
    body = {"input": "When does it open?", "choices": CHOICES, "only_if_relevant": False}
    with_adapter = post(server, "choices", model=adapter["model"], **body).json()
    beside = post(server, "choices", model=BASE, adapters=[{"id": adapter["id"]}], **body).json()
    bare = post(server, "choices", model=BASE, **body).json()

    model = server.service.model
    document = document_from_text(TEXTS[0])
    expected = model.choose(body["input"], CHOICES, model.internalize(document), only_if_relevant=False)
    assert [c["text"] for c in with_adapter["data"]] == [choice.text for choice in expected]
    assert [c["probability"] for c in with_adapter["data"]] == pytest.approx(
        [c.probability for c in expected], abs=1e-4
    )
    assert with_adapter["answer"] == expected[0].text and with_adapter["adapter_on"]
    assert beside["data"] == with_adapter["data"] != bare["data"] and not bare["adapter_on"]


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"choices": ["one"]}, 400, "choices"),
        ({"choices": ["one", "one "]}, 400, "given twice"),
        ({"choices": ["one", " "]}, 400, "is empty"),
        ({"choices": ["x"] * 201}, 400, "choices"),
        ({"input": ""}, 400, "input"),
        ({"input": "word " * 100_000}, 400, "context window"),
        ({"model": "other"}, 404, "other"),
        ({"adapters": [{"id": "0" * 16}]}, 404, "0" * 16),
        ({"messages": []}, 400, "messages"),
    ],
)
def test_bad_requests_are_an_error_of_one_line(server: RunningServer, change: dict, status: int, problem: str) -> None:
    response = post(server, "choices", **({"model": BASE, "input": "When?", "choices": CHOICES} | change))
    message = response.json()["error"]["message"]
    assert response.status_code == status and problem in message and "\n" not in message


def test_adapters_of_others_cannot_be_used(server: RunningServer) -> None:
    adapter = post(server, "adapters", text=TEXTS[1]).json()
    response = post(server, "choices", "bob", model=adapter["model"], input="What?", choices=CHOICES)
    assert response.status_code == 404
