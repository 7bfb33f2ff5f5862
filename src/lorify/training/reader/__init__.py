"""Training of the reader of an associative hypernetwork."""
