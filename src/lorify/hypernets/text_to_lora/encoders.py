"""Task encoders: encode the embedding of a task description, linearly or as one of three kinds of discrete codes.

Every encoder returns codes and its own loss, which is 0 unless it quantizes.

Source: Text-to-LoRA (arXiv 2506.06105) uses the linear one; its reference implementation has all four.
Shape letters: n descriptions, e embedding size, c code size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import OneHotCategoricalStraightThrough

from lorify.hypernets.text_to_lora.config import TaskConfig

DROPOUT = 0.05
COMMITMENT = 0.01
CODEBOOK_DECAY = 0.99


class LinearEncoder(nn.Module):
    """Encodes embeddings with one linear layer and a layer norm."""

    def __init__(self, embedding_size: int, code_size: int) -> None:
        """Draw random weights."""
        super().__init__()
        self.net = nn.Sequential(nn.Linear(embedding_size, code_size), nn.LayerNorm(code_size))

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map embeddings `[n, e]` to codes `[n, c]` and a loss of zero."""
        return self.net(embeddings), embeddings.new_zeros(())


class OneHotEncoder(nn.Module):
    """Encodes embeddings as one of `num_codes` classes; sampled while training, with a straight-through gradient."""

    def __init__(self, embedding_size: int, num_codes: int) -> None:
        """Draw random weights."""
        super().__init__()
        self.net = perceptron(embedding_size, 4 * num_codes, num_codes)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map embeddings `[n, e]` to one-hot codes `[n, c]` and a loss of zero."""
        logits = self.net(embeddings)
        if self.training:
            codes = OneHotCategoricalStraightThrough(logits=logits).rsample()
        else:
            codes = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
        return codes, embeddings.new_zeros(())


class SoftmaxEncoder(nn.Module):
    """Encodes embeddings as a mixture of the learned codes of a codebook."""

    def __init__(self, embedding_size: int, code_size: int, num_codes: int) -> None:
        """Draw random weights."""
        super().__init__()
        self.net = perceptron(embedding_size, 4 * code_size, num_codes)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_size))
        self.norm = nn.LayerNorm(code_size)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map embeddings `[n, e]` to codes `[n, c]` and a loss of zero."""
        return self.norm(self.net(embeddings).softmax(-1) @ self.codebook), embeddings.new_zeros(())


class VectorQuantizedEncoder(nn.Module):
    """Encodes embeddings as the nearest code of a codebook; each code is a moving average of the points assigned to it.

    Source: Neural Discrete Representation Learning (arXiv 1711.00937), appendix A.1.
    """

    def __init__(self, embedding_size: int, code_size: int, num_codes: int) -> None:
        """Draw random weights and codes."""
        super().__init__()
        self.net = perceptron(embedding_size, 4 * code_size, code_size)
        self.norm = nn.LayerNorm(code_size)
        self.register_buffer("codebook", torch.randn(num_codes, code_size))
        self.codebook: Tensor
        self.register_buffer("counts", torch.zeros(num_codes))
        self.counts: Tensor
        self.register_buffer("sums", self.codebook.clone())
        self.sums: Tensor

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map embeddings `[n, e]` to codes `[n, c]`, and to the loss that keeps points near their codes."""
        points = self.net(embeddings)  # [n, c]
        distances = self.codebook.square().sum(-1) - 2 * points @ self.codebook.T  # [n, num_codes], up to |points|^2
        nearest = distances.argmin(-1)
        codes = self.codebook[nearest]
        if self.training:
            self._update_codebook(points.detach(), nearest)
        loss = COMMITMENT * (codes - points).square().mean()
        return self.norm(points + (codes - points).detach()), loss

    @torch.no_grad()
    def _update_codebook(self, points: Tensor, nearest: Tensor) -> None:
        assigned = F.one_hot(nearest, len(self.counts)).to(points.dtype)  # [n, num_codes]
        self.counts.lerp_(assigned.sum(0), 1 - CODEBOOK_DECAY)
        self.sums.lerp_(assigned.T @ points, 1 - CODEBOOK_DECAY)
        total = self.counts.sum()
        smoothed = (self.counts + 1e-5) / (total + len(self.counts) * 1e-5) * total
        self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))


def build_task_encoder(config: TaskConfig) -> nn.Module:
    """Build the task encoder of a config."""
    e, c, codes = config.embedding_size, config.code_size, config.num_codes
    match config.task_encoder:
        case "linear":
            return LinearEncoder(e, c)
        case "one_hot":
            return OneHotEncoder(e, codes)
        case "vq":
            return VectorQuantizedEncoder(e, c, codes)
        case "softmax":
            return SoftmaxEncoder(e, c, codes)


def perceptron(in_features: int, hidden: int, out_features: int) -> nn.Sequential:
    """Build two linear layers with SiLU and dropout between them."""
    return nn.Sequential(
        nn.Linear(in_features, hidden), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, out_features)
    )
