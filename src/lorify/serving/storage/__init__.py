"""Storage of a server: adapters and API keys."""
