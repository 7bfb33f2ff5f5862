"""Contexts to internalize: documents, images and task descriptions, their chunks, and the encoders that read them."""
