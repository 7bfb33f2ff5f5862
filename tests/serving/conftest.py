"""A server that several files of tests use, with keys and small limits."""

from collections.abc import Iterator

import pytest
from openai import OpenAI
from playwright.sync_api import Browser
from serving.browser import browser
from serving.running import OPERATOR, RunningServer, serving
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base

from lorify.serving.engines.local import EngineLimits
from lorify.serving.settings import ServingSettings

MEGABYTE = 1 << 20
SETTINGS = ServingSettings(
    engine=EngineLimits(max_rows=4, max_waiting=6),
    max_upload_bytes=4 * MEGABYTE,
    max_document_tokens=3000,
    max_document_pages=2,
    parse_memory_bytes=256 * MEGABYTE,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("server"), owners=("ann", "bob", OPERATOR), settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of documents and tasks without keys, for tests of its page."""
    folder, base = tmp_path_factory.mktemp("page"), tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(folder / "hypernetwork", base))
    with serving(folder, model=model) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched


@pytest.fixture(scope="module")
def ann(server: RunningServer) -> OpenAI:
    return server.client("ann")
