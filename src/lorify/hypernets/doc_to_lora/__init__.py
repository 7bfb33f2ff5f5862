"""The Perceiver hypernetwork of Doc-to-LoRA (arXiv 2602.15902)."""
