"""What to tell clients that ask for a route that lorify does not have, such as one of OpenAI's API."""

from __future__ import annotations

_FILES = "lorify keeps no files; send documents to POST /v1/adapters"
_NOT_STORED = "lorify stores no answers and chats; send the whole chat with each request"
_TEXT_ONLY = "lorify reads and writes text only; use another server for"
HINTS = {
    "embeddings": "lorify does not serve embeddings; use another server for them, or internalize the documents with "
    "POST /v1/adapters, which needs none",
    "rerank": "lorify does not rank documents; use another server for it, or internalize them with POST /v1/adapters",
    "files": _FILES,
    "uploads": _FILES,
    "vector_stores": _FILES,
    "moderations": "lorify does not moderate texts; use another server for it",
    "images": f"{_TEXT_ONLY} images",
    "audio": f"{_TEXT_ONLY} speech",
    "videos": f"{_TEXT_ONLY} videos",
    "realtime": f"{_TEXT_ONLY} speech",
    "assistants": "lorify has no assistants; name an adapter as the model of a chat",
    "threads": _NOT_STORED,
    "conversations": _NOT_STORED,
    "responses": _NOT_STORED,
    "fine_tuning": "lorify does not fine-tune over its API; create an adapter with POST /v1/adapters",
    "batches": "lorify has no batches; send the requests at once, they are answered together",
}
"""First part of a path after `/v1/` -> what to do instead."""

NOT_SUPPORTED = "not_supported"
_PREFIX = "v1"


def describe_absent(method: str, path: str, allowed: str | None) -> tuple[str, str | None]:
    """Describe a request that no route takes.

    Args:
        method: its HTTP method.
        path: its path.
        allowed: methods that a route takes at this path; None if there is no such route.

    Returns:
        The message, and a code for programs.
    """
    parts = [part for part in path.split("/") if part]
    names = parts[1:] if parts[:1] == [_PREFIX] else parts
    if allowed is not None:
        return f"{path[:100]} does not take {method}; send {allowed}", None
    if names and names[0] in HINTS:
        return HINTS[names[0]], NOT_SUPPORTED
    if names == parts and names and names[0] in {"chat", "completions", "models", "adapters"}:
        return (
            f"there is nothing at {path[:100]}; OpenAI's API is at /{_PREFIX}, so end the base URL in /{_PREFIX}",
            None,
        )
    return f"there is nothing at {path[:100]}; GET /openapi.json lists all routes", None
