"""Families with any number of tasks, which are drawn at random for training."""
