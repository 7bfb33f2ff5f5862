"""Shared code for importing checkpoints of other projects."""
