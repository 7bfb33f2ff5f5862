"""Fitted models: the probability that an answer is right or stated, or that a description is followed."""
