"""Benchmarks, metrics, reports and plots."""
