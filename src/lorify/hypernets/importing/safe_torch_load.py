"""Load files written by `torch.save` without running code pickled in them.

PyTorch's restricted unpickler builds only tensors and plain containers. If a checkpoint also contains objects of
classes that are not installed, such as the settings of a training run, objects of the classes that the caller names
are loaded as inert stand-ins that only store their state. Any other class is refused.
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
    """Holds the constructor arguments and the attributes of a pickled object of another package's class."""

    def __new__(cls, *arguments: Any) -> StandIn:
        """Store the arguments; for the member of an enumeration, this is its value."""
        stand_in = super().__new__(cls)
        stand_in.__dict__["arguments"] = arguments
        return stand_in

    def __init__(self, *_arguments: Any) -> None:
        """Do nothing: an unpickler may call only `__new__`, which stores the arguments."""


def load_torch_file(path: Path, stand_ins: Iterable[str] = ()) -> Any:
    """Load a file written by `torch.save`, with tensors on the CPU.

    Args:
        path: the file.
        stand_ins: dotted names of classes whose objects are loaded as `StandIn`. If there are any, `builtins.set` is
            allowed too.

    Raises:
        HypernetworkError: if the file is missing or damaged, or contains objects of any other class.
    """
    allowed: list[Any] = [(type(name.rpartition(".")[2], (StandIn,), {}), name) for name in stand_ins]
    if allowed:
        allowed.append(set)
    try:
        with safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; such files are refused or read completely
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise HypernetworkError(f"there is no file {path}; give an existing checkpoint") from error
    except pickle.UnpicklingError as error:
        raise HypernetworkError(
            f"{path} holds more than tensors and the expected settings, or is damaged, and is not loaded; give the "
            "checkpoint that the reference implementation saved"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise HypernetworkError(f"{path} is damaged ({type(error).__name__}); download it again") from error


def plain(value: Any) -> Any:
    """Return the value of a pickled enumeration member, or anything else unchanged."""
    if isinstance(value, StandIn) and len(value.__dict__["arguments"]) == 1:
        return value.__dict__["arguments"][0]
    return value


def settings(value: Any, what: str, path: Path) -> dict[str, Any]:
    """Return the attributes of a pickled settings object, with enumeration members as their values.

    Args:
        value: the unpickled object.
        what: name of the object in the error message.
        path: the file it was loaded from.

    Raises:
        HypernetworkError: if it is not such an object.
    """
    if not isinstance(value, StandIn):
        raise HypernetworkError(f"{path}: {what} is a {type(value).__name__}, expected pickled settings; give another")
    return {name: plain(item) for name, item in value.__dict__.items() if name != "arguments"}
