"""The training loop, and code shared by several objectives."""
