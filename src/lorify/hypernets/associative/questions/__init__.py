"""What happens once the question is known: its relevance, the tokens that answer it, and focus."""
