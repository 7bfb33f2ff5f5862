"""Encode tasks by their number instead of their description.

Source: Text-to-LoRA (arXiv 2506.06105), table 1, where task hypernetworks that reconstruct LoRAs are trained with
one-hot vectors in place of embedded descriptions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.errors import ContextError

ONE_HOT_EMBEDDER = "one-hot task number"
"""`embedder_name` of a hypernetwork that gets the number of a task instead of a description."""
ONE_HOT_SETTING = "one_hot"
"""Name of this encoder in the config of a run."""


class TaskNameEncoder:
    """Turns task names into one-hot vectors, with the interface of a description encoder.

    Attributes:
        name: `ONE_HOT_EMBEDDER`.
        digest: SHA-256 of the ordered names.
        size: number of tasks.
    """

    name = ONE_HOT_EMBEDDER

    def __init__(self, names: Sequence[str]) -> None:
        """Number these tasks."""
        self._numbers = {name: number for number, name in enumerate(names)}
        self.digest = hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()
        self.size = len(self._numbers)

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Return one-hot vectors `[n, size]` for task names.

        Raises:
            ContextError: if a text is not the name of a task.
        """
        for text in descriptions:
            if text not in self._numbers:
                raise ContextError(
                    f"{text[:60]!r} is not one of the {self.size} tasks that the hypernetwork knows by number; give "
                    f"the name of one, such as {', '.join(list(self._numbers)[:5])}"
                )
        return torch.eye(self.size)[[self._numbers[text] for text in descriptions]]
