"""Chat prompts: templates, turns, control tokens and follow-up questions."""
