"""What a server stores: adapters and API keys."""
