"""Checks of adapters: how much of their documents they retain, and how well they do examples of their task."""
