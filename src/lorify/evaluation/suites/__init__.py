"""Suites: sets of questions."""
