import pytest
from tiny import tiny_base

from lorify.base.model import BaseLM


@pytest.fixture(scope="session")
def base() -> BaseLM:
    return tiny_base("llama")


@pytest.fixture(scope="session", params=["llama", "qwen3", "gemma3"])
def any_base(request) -> BaseLM:
    return tiny_base(request.param)
