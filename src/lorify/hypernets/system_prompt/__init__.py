"""The task hypernetwork that writes a description over the chat's system prompt."""
