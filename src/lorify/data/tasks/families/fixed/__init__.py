"""Families with a fixed number of tasks, which make up the suite."""
