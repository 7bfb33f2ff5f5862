import pytest
from tiny_lorify import tiny_lorify

from lorify.facade import Lorify


@pytest.fixture(scope="session")
def model() -> Lorify:
    return tiny_lorify()
