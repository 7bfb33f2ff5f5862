"""Improve the adapter of a task with examples of the task."""
