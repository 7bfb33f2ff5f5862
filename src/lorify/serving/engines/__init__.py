"""Engines that answer jobs: local, or a vLLM server."""
