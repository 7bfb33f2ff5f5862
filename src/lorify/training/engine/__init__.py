"""The training loop, and code that several objectives share."""
