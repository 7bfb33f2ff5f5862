"""Tasks: descriptions with instances, generated or read from files."""
