"""What a server keeps: adapters and API keys."""
