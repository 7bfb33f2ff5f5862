"""Self-generated training data: questions by a writer model, answers by the base."""
