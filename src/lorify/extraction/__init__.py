"""Extraction: find the words of a text that answer a question, with a small encoder that reads both together."""
