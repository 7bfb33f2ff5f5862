"""Texts before they are internalized: chunks, words, wrapped lines, their language, and notes about them."""
