"""A server on a tiny random model, running in a thread of the test's process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from openai import OpenAI
from serving.tiny_lorify import tiny_lorify

from lorify import Lorify
from lorify.serving.app import create_app
from lorify.serving.engine import LocalEngine
from lorify.serving.jobs import Engine
from lorify.serving.keys import ApiKeys, create_key
from lorify.serving.service import Service
from lorify.serving.settings import ServingSettings
from lorify.serving.store import AdapterStore

BASE = "tiny-llama"


class RunningServer:
    """Where a server is reached, and what it is made of."""

    def __init__(self, url: str, service: Service, keys: dict[str, str]) -> None:
        self.url = url
        self.service = service
        self.keys = keys

    def client(self, name: str = "ann", **options) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.keys.get(name, "none"), max_retries=0, **options)


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
    keys = {name: create_key(folder / "keys.json", name) for name in owners}
    service = Service(
        model,
        engine or LocalEngine(model.base, settings.engine, model.focus),
        AdapterStore(folder / "store", settings.max_disk_bytes, settings.max_memory_bytes),
        keys=ApiKeys.load(folder / "keys.json") if owners else None,
        settings=settings,
    )
    config = uvicorn.Config(create_app(service), host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield RunningServer(f"http://127.0.0.1:{port}", service, keys)
    finally:
        server.should_exit = True
        thread.join()
