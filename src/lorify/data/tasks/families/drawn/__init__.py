"""Families with any number of tasks, drawn at random for training."""
