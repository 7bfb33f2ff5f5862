"""What happens once the question is known: relevance, the tokens that answer it, and focus."""
