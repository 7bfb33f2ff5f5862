"""Chats whose last question refers back, with a stand-alone version of that question."""
