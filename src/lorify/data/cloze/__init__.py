"""Questions about a document's own sentences, built by rule or written by a model."""
