"""Tables and JSON in words, so that the memory finds each value with its names."""
