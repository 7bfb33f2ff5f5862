"""A server on a tiny random model, running in a thread of the test process."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from openai import OpenAI
from serving.tiny_lorify import tiny_lorify
from serving.waiting import wait_until

from lorify import Lorify
from lorify.adapters import Adapter
from lorify.contexts.documents import document_from_text
from lorify.serving.engines.jobs import Engine
from lorify.serving.engines.local import LocalEngine
from lorify.serving.server import LorifyServer
from lorify.serving.service import LOCAL_OWNER, Service, key_share
from lorify.serving.settings import ServingSettings
from lorify.serving.storage.keys import ApiKeys, create_key
from lorify.serving.storage.store import AdapterStore

BASE = "tiny-llama"
QUESTION = "What is it?"
OPERATOR = "operator"
"""Name of an owner whose key is an operator's."""
CHAT = {"model": BASE, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


class RunningServer:
    """A running server: its URL, service and API keys."""

    def __init__(self, service: Service, keys: dict[str, str]) -> None:
        self.service = service
        self.keys = keys
        ready: queue.Queue[str] = queue.Queue()
        self._server = LorifyServer(service, "127.0.0.1", 0, ready.put)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        self.url = ready.get(timeout=60)

    @property
    def num_requests(self) -> int:
        """Requests being handled now."""
        return len(self._server.server_state.tasks)

    def end(self, *, at_once: bool = False) -> None:
        """Shut down as SIGTERM does, or with `at_once` as a second Ctrl-C does."""
        self._server.should_exit = True
        self._server.force_exit = at_once
        self._thread.join()

    def client(self, name: str = "ann", **options) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.keys.get(name, "none"), max_retries=0, **options)


def stored(server: RunningServer, id: str) -> Adapter:
    """An adapter of a server without keys."""
    return server.service.store.get(id, LOCAL_OWNER)


@contextmanager
def serving(
    folder: Path,
    *,
    owners: tuple[str, ...] = (),
    settings: ServingSettings | None = None,
    model: Lorify | None = None,
    engine: Engine | None = None,
) -> Iterator[RunningServer]:
    settings = settings or ServingSettings()
    model = model or tiny_lorify()
    keys = {name: create_key(folder / "keys.json", name, operator=name == OPERATOR) for name in owners}
    api_keys = ApiKeys.load(folder / "keys.json") if owners else None
    service = Service(
        model,
        engine or LocalEngine(model.base, settings.engine, model.answerer.plan, key_share(api_keys, settings)),
        AdapterStore(folder / "store", settings.max_disk_bytes, settings.max_memory_bytes),
        keys=api_keys,
        settings=settings,
    )
    running = RunningServer(service, keys)
    try:
        yield running
    finally:
        running.end()


def ask(client: OpenAI, model: str = BASE, **options):
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], **{"max_tokens": 12, **options}
    )


def expected_answer(server: RunningServer, *texts: str, max_tokens: int = 12) -> str:
    model = server.service.model
    adapter = model.internalize(*[document_from_text(text, f"d{i}") for i, text in enumerate(texts)]) if texts else None
    return model.ask(QUESTION, adapter, max_new_tokens=max_tokens)


def http_client(server: RunningServer, name: str = "ann") -> httpx2.Client:
    return httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.keys[name]}"}, timeout=600)


def new_adapter(server: RunningServer, text: str, name: str = "doc", owner: str = "ann") -> dict:
    with http_client(server, owner) as client:
        response = client.post("/v1/adapters", json={"text": text, "name": name})
    assert response.status_code == 201, response.text
    return response.json()


def checked_adapter(client: httpx2.Client, id: str) -> dict:
    """An adapter once its fidelity has been measured."""
    wait_until(lambda: not client.get(f"/v1/adapters/{id}").json()["checking"])
    return client.get(f"/v1/adapters/{id}").json()
