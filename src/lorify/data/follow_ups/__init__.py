"""Chats whose last question refers back, with the question that says the same alone."""
