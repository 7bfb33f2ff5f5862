"""Reading files that `torch.save` wrote without running what is pickled in them.

PyTorch's own restricted unpickler builds tensors and plain containers only. Where a checkpoint also holds objects of
classes that are not installed, such as the settings of a training run, exactly the names that the caller expects are
built as inert stand-ins, which keep what was stored and do nothing; any other name is refused.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.serialization import safe_globals

from lorify.errors import HypernetworkError


class StandIn:
    """What was pickled as an object of another package's class: its arguments and its attributes."""

    def __new__(cls, *arguments: Any) -> StandIn:
        """Keep the arguments; an enumeration's member has its value there."""
        made = super().__new__(cls)
        made.__dict__["arguments"] = arguments
        return made

    def __init__(self, *_arguments: Any) -> None:
        """All there is to do is done in `__new__`, the only one of both that an unpickler may call."""


def load_torch_file(path: Path, stand_ins: Iterable[str] = ()) -> Any:
    """What is in a file of `torch.save`, tensors on the CPU.

    Args:
        path: the file.
        stand_ins: dotted names of classes whose objects may be in it; they come as `StandIn`. `builtins.set` is
            allowed under its own name.

    Raises:
        HypernetworkError: if the file is missing or damaged, or anything else is pickled in it.
    """
    allowed: list[Any] = [(type(name.rpartition(".")[2], (StandIn,), {}), name) for name in stand_ins]
    if allowed:
        allowed.append(set)
    try:
        with safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of another protocol, which are refused or read in full
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise HypernetworkError(f"there is no file {path}; give an existing checkpoint") from error
    except pickle.UnpicklingError as error:
        raise HypernetworkError(
            f"{path} holds more than tensors and the settings expected in it, or is damaged, and is not loaded; give "
            "the checkpoint that the reference implementation saved"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise HypernetworkError(f"{path} is damaged ({type(error).__name__}); download it again") from error


def plain(value: Any) -> Any:
    """The value of a pickled enumeration's member; anything else as it is."""
    if isinstance(value, StandIn) and len(value.__dict__["arguments"]) == 1:
        return value.__dict__["arguments"][0]
    return value


def settings(value: Any, what: str, path: Path) -> dict[str, Any]:
    """Attributes of a pickled settings object, enumerations as their values.

    Raises:
        HypernetworkError: if it is no such object.
    """
    if not isinstance(value, StandIn):
        raise HypernetworkError(f"{path}: {what} is a {type(value).__name__}, expected pickled settings; give another")
    return {name: plain(item) for name, item in value.__dict__.items() if name != "arguments"}
