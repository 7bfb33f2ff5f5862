"""Document formats: telling them apart, and reading each as text."""
