"""Task descriptions: their checks, their embeddings, and notes about them."""
