"""Suites: what is asked."""
