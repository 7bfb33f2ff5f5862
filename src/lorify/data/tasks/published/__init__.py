"""Published tasks: their files, prompts and splits."""
