"""Commands that ask: `ask` and `chat`."""
