"""Limits: queues that owners share, workers, sizes and memory."""
