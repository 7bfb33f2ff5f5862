"""Improve a document adapter with questions about the document's own sentences."""
