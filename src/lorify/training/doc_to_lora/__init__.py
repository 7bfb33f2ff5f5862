"""Training of the Perceiver hypernetwork."""
