"""Measuring methods on suites of questions: running, scoring and reporting."""
