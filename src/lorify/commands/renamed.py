"""Old names of commands that still work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lorify.commands.terminal import stderr


def renamed(command: Callable[..., None], *, new_name: str) -> Callable[..., None]:
    """Build the command to register under an old name: it names the new one on standard error, then runs.

    Args:
        command: the command function; options and help are taken from it.
        new_name: what the command is called now.
    """

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        stderr().print(f"this command is now called `lorify {new_name}`", markup=False)
        command(*args, **options)

    return run
