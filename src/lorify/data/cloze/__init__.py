"""Questions made from a document's own sentences."""
