"""Texts before they are internalized: chunks, words, wrapped lines, language, and warnings."""
