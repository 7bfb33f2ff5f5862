"""The server: adapters generated, stored and owned, behind OpenAI's API."""
