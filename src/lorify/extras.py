"""The optional dependencies: which package comes with which extra of the installation."""

from __future__ import annotations

PACKAGES = {
    "accelerate": "train",
    "filelock": "train",
    "pyarrow": "train",
    "tensorboard": "train",
    "bm25s": "eval",
    "matplotlib": "eval",
    "rouge_score": "eval",
    "fastapi": "serve",
    "httpx2": "serve",
    "prometheus_client": "serve",
    "python_multipart": "serve",
    "sse_starlette": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
}
"""Top-level module of each optional package -> the extra that installs it, as in pyproject.toml."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """Describe a failed import of an optional package in one line, with the command that installs it.

    Args:
        error: the failed import.

    Returns:
        The message, or None if the missing module does not belong to an extra.
    """
    package = (error.name or "").partition(".")[0]
    extra = PACKAGES.get(package)
    if extra is None:
        return None
    return f"this command needs the package {package}, which is not installed; run `pip install 'lorify[{extra}]'`"
