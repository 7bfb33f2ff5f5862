"""The training loop and what all objectives share."""
