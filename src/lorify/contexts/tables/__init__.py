"""Write tables and JSON as text, so that the memory finds each value with its names."""
