"""Contexts to internalize: documents, images and task descriptions, how they are chunked, and their encoders."""
