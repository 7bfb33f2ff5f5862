"""Parsing uploaded documents in separate processes."""
