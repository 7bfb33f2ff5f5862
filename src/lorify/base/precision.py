"""The precision of long sums."""

import torch


def widest_float(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype of a device: float64, or float32 on Apple's MPS, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64
