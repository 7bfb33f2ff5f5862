"""The maximum ranks that vLLM can be started with."""

ALLOWED_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM accepts for `--max-lora-rank`; its default is 16."""


def needed_rank(rank: int) -> int:
    """Return the smallest `--max-lora-rank` with which vLLM accepts adapters of this rank."""
    return next((allowed for allowed in ALLOWED_RANKS if allowed >= rank), rank)
