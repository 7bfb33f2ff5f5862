"""Generated and natural examples: a context with questions."""
