"""Adapters exported in parts: the folder, and the choice of a part for a question."""
