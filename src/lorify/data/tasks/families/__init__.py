"""Families of generated tasks, one module a group of families."""
