"""What can be given as the adapter of an answer."""

from pathlib import Path

import pytest
from random_adapters import random_adapter
from tiny import tiny_base

from lorify.adapters import AdapterStack
from lorify.errors import AdapterError


def test_adapters_stacks_and_none_are_taken() -> None:
    adapter = random_adapter(tiny_base())
    stack = AdapterStack.of(adapter)
    assert stack.parts == ((adapter, 1.0),)
    assert AdapterStack.of(stack) is stack
    assert AdapterStack.of(None).is_empty


@pytest.mark.parametrize("given", ["museum-adapter", Path("museum-adapter"), [], {"a": 1}])
def test_what_is_no_adapter_is_refused_with_what_to_give(given) -> None:
    with pytest.raises(AdapterError, match="load_adapter"):
        AdapterStack.of(given)
