"""A place in which a base keeps the session that decodes it."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class KeptSession:
    """Holds a session once it is open.

    Attributes:
        lock: held while a session is looked up or opened.
        key: state of the base for which the session was opened.
        session: the session; None before, and if the base has none.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.lock = threading.Lock()
        self.key: Hashable = None
        self.session: Any = None
