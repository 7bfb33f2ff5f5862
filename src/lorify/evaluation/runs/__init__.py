"""Runs: asking a suite by methods, timing, and the run folder."""
