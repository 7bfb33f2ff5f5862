"""Training of the associative hypernetwork."""
