"""Task descriptions: checks, embeddings, and warnings."""
