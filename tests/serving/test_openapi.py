"""Requests fuzzed from the OpenAPI document: no status 500, and every response as documented."""

from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving.running import RunningServer, serving

from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore")
FEW_EXAMPLES = 3
MANY_EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServingSettings(default_answer_tokens=2)
    with serving(tmp_path_factory.mktemp("fuzz"), owners=("ann",), settings=settings) as running:
        yield running


@pytest.mark.parametrize("num_examples", [FEW_EXAMPLES, pytest.param(MANY_EXAMPLES, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_responses_match_the_openapi_document(server: RunningServer, mode: GenerationMode, num_examples: int) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    headers = {"Authorization": f"Bearer {server.keys['ann']}"}
    num_requests = 0

    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=num_examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def fuzz(case: schemathesis.Case) -> None:
            nonlocal num_requests
            num_requests += 1
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=600)

        with suppress(Unsatisfiable):  # no request to GET /health can be invalid
            fuzz()
    assert num_requests > num_examples * 4
    assert httpx2.get(f"{server.url}/health").json()["status"] == "ok"
