"""Adapters exported in parts: the folder, and choosing a part for a question."""
