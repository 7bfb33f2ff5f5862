"""Holds the session that decodes a base."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

FIRST_STEPS = 8
"""Steps before a session is opened: opening it takes about as long as it saves in this many steps."""


class KeptSession:
    """Holds a session once it is open.

    Attributes:
        num_steps: number of steps decoded without it.
        lock: held while a session is looked up or opened.
        key: state of the base for which the session was opened.
        session: the session; None before it is opened, and if the base has none.
        can_record: whether steps may be recorded as CUDA graphs; False once that has failed.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.lock = threading.Lock()
        self.num_steps = 0
        self.key: Hashable = None
        self.session: Any = None
        self.can_record = True

    @property
    def is_due(self) -> bool:
        """Whether opening the session pays off."""
        return self.num_steps >= FIRST_STEPS

    def expect_many_steps(self) -> None:
        """Open the session at the first step, so that a server answers its first requests like its later ones.

        PyTorch and compiled loops add in different orders: if two tokens are equally likely, their answers can differ.
        """
        self.num_steps = FIRST_STEPS
