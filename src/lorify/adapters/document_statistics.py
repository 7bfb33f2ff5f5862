"""Statistics of an adapter's documents, from which its hypernetwork can rebuild it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DocumentStatistics:
    """Named tensors of one document. Only the hypernetwork that wrote them knows what they mean.

    Attributes:
        tensors: the tensors; they are never changed in place.
    """

    tensors: Mapping[str, Tensor]
    _digests: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    @property
    def num_bytes(self) -> int:
        """Size of all tensors in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def digest(self, name: str) -> bytes:
        """Hash the content of one tensor (BLAKE2b, 16 bytes); computed once per object."""
        if name not in self._digests:
            tensor = self.tensors[name].detach().cpu().contiguous()
            hasher = hashlib.blake2b(f"{tensor.dtype} {tuple(tensor.shape)}".encode(), digest_size=16)
            hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
            self._digests[name] = hasher.digest()
        return self._digests[name]
