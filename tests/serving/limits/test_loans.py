"""Adapters in use."""

import gc

import pytest

from lorify.adapters import AdapterStack
from lorify.errors import BusyError
from lorify.serving.adapters.loans import AdapterLoans


class Stack(AdapterStack):
    """A stack that refers to itself, so that only a garbage collection frees it."""


def cyclic() -> Stack:
    stack = Stack()
    object.__setattr__(stack, "itself", stack)
    return stack


def test_a_loan_that_a_collection_ends_while_another_begins_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loans = AdapterLoans(100)
    hold = loans._held.hold
    gc.disable()
    try:
        loans.lend(cyclic(), {"a": 60}, "ada")

        def hold_after_collection(owner: str, num_bytes: int) -> None:
            gc.collect()
            hold(owner, num_bytes)

        monkeypatch.setattr(loans._held, "hold", hold_after_collection)
        kept = AdapterStack()
        loans.lend(kept, {"a": 60, "b": 40}, "ada")
    finally:
        gc.enable()
    with pytest.raises(BusyError, match="your adapters in use take 100 bytes"):
        loans.lend(AdapterStack(), {"c": 1}, "ada")
    del kept
    loans.lend(AdapterStack(), {"c": 100}, "ada")
