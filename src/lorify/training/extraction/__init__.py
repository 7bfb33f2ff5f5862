"""Training of an extractor."""
