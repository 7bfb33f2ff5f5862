"""Image patches as features, without a model: the smallest context encoder for images.

The image is scaled to a square and split into a grid of square patches. The features of a patch are its pixels, from -1
to 1, and a one-hot encoding of its position in the grid, because a Perceiver ignores order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lorify.contexts.encoders.encoding import Chunk, EncodedContexts, EncoderKind, ImageChunk
from lorify.contexts.images import ImageContext
from lorify.errors import ContextError


class PatchGrid(BaseModel):
    """Settings for splitting an image into patches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(default=8, gt=0, description="Side of the square that images are scaled to, in pixels.")
    patch_size: int = Field(default=2, gt=0, description="Side of a patch, in pixels.")
    color: bool = Field(default=False, description="Red, green and blue; else brightness alone.")

    @model_validator(mode="after")
    def _divides(self) -> PatchGrid:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}; change one"
            )
        return self

    @property
    def num_patches(self) -> int:
        """Return the number of patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def feature_size(self) -> int:
        """Return the number of features of a patch: its pixels and its one-hot position."""
        return self.patch_size**2 * (3 if self.color else 1) + self.num_patches


@dataclass(frozen=True)
class PatchEncoder:
    """Encodes images as patches; see the module docstring. It does not read text.

    Attributes:
        grid: how to split an image into patches.
        device: device of the features.
    """

    grid: PatchGrid
    device: torch.device

    @property
    def name(self) -> str:
        """Return `patches`, since there is no model with a name."""
        return "patches"

    @property
    def num_layers(self) -> int:
        """Return 0, since it has no blocks."""
        return 0

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of its features."""
        return torch.float32

    @property
    def tokenizer(self) -> None:
        """Return None, since it does not read text."""
        return None

    @property
    def reads_images(self) -> bool:
        """Return True; it reads only images."""
        return True

    @property
    def feature_size(self) -> int:
        """Return the number of features of a patch."""
        return self.grid.feature_size

    @property
    def window_tokens(self) -> int:
        """Return the number of patches of an image, which is independent of its size."""
        return self.grid.num_patches

    def encode_text(self, text: str) -> list[int]:
        """Raise an error, since it does not read text.

        Raises:
            ContextError: always.
        """
        del text
        raise ContextError("the hypernetwork reads images only (its features are patches); give png, jpg or webp files")

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """Split an image into patches; `system_turn` and the caption are ignored."""
        del system_turn
        grid = self.grid
        side = grid.image_size
        scaled = image.image.convert("RGB" if grid.color else "L")
        if scaled.size != (side, side):
            scaled = scaled.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = torch.from_numpy(np.array(scaled, dtype=np.float32)).view(side, side, -1) / 127.5 - 1
        rows = side // grid.patch_size
        cut = pixels.view(rows, grid.patch_size, rows, grid.patch_size, -1).transpose(1, 2)
        patches = torch.cat([cut.reshape(grid.num_patches, -1), torch.eye(grid.num_patches)], dim=1)
        return ImageChunk({"patches": patches.unsqueeze(0)}, grid.num_patches)

    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Return the patches of images `[chunks, patches, features]`; `kind` and `num_layers` are ignored."""
        del kind, num_layers
        states = torch.cat([chunk.inputs["patches"] for chunk in chunks if isinstance(chunk, ImageChunk)])
        return EncodedContexts(states.to(self.device), torch.ones(states.shape[:2], dtype=torch.bool).to(self.device))
