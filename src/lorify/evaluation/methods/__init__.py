"""Methods: ways to answer questions about a context."""
