"""Improve a task's adapter with examples of the task."""
