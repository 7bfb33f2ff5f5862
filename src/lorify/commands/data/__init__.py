"""Commands that make and show training data."""
