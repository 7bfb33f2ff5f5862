"""Improve the adapter of documents with questions about their own sentences."""
