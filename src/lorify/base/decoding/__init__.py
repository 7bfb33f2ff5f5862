"""Decoding: prefill, batches of rows, sampling and fast blocks."""
