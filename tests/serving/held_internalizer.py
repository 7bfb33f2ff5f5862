"""An internalizer that stops halfway until it is let go."""

import threading

from serving.tiny_lorify import tiny_lorify

from lorify import Lorify
from lorify.contexts.token_estimates import estimate_tokens


class HeldInternalizer:
    """Reports some tokens, then waits for `let_go` before it internalizes, as a long document would."""

    def __init__(self, inner) -> None:
        self._inner = inner
        self.is_held = threading.Event()
        self.let_go = threading.Event()

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def with_options(self, options):
        assert not options.chosen
        return self

    def internalize(self, documents, report=None, cancel=None):
        report(estimate_tokens(self._inner.base, documents) // 2)
        self.is_held.set()
        while not self.let_go.wait(0.01):
            if cancel is not None:
                cancel.raise_if_cancelled()
        return self._inner.internalize(documents, None, cancel)


def held_lorify() -> tuple[Lorify, HeldInternalizer]:
    model = tiny_lorify()
    held = HeldInternalizer(model.internalizer)
    return Lorify(model.base, held), held
