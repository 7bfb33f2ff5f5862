"""What is to be internalized: documents, chunks, features."""
