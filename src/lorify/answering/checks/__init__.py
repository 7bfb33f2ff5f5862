"""Checks of adapters: what they kept of their documents, and how well they do examples of their task."""
