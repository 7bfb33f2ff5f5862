"""Fitted models: how probably an answer is right, is stated, or a description can be followed."""
