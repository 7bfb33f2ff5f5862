"""The task hypernetwork of Text-to-LoRA (arXiv 2506.06105)."""
