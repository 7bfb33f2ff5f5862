"""A server that several files of tests use, with keys and small limits."""

from collections.abc import Iterator

import pytest
from openai import OpenAI
from serving.running import OPERATOR, RunningServer, serving

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
def ann(server: RunningServer) -> OpenAI:
    return server.client("ann")
