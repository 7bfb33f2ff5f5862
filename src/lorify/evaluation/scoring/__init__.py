"""Scores of answers, confidence and fidelity."""
