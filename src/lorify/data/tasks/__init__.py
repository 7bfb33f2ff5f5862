"""Tasks: descriptions with instances, generated (`suite`) or read from files (`files`)."""
