"""Self-generated training data: a writer model asks questions about documents, and the base answers them."""
