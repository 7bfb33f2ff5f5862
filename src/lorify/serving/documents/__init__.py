"""Reading uploaded documents in separate processes."""
