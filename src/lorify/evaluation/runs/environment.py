"""The software and the machine that a run was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from lorify.adapters.adapter import utc_now

PACKAGES = ("lorify", "torch", "transformers", "tokenizers", "rouge-score", "bm25s", "numpy", "llmlingua")


def describe_environment() -> dict[str, object]:
    """Collect package versions, processor, number of threads and GPU, with the present time."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "written": utc_now(),
        "versions": packages | {"python": platform.python_version()},
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()
