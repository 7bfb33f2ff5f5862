"""The ten benchmarks of Text-to-LoRA: their items, and the prompts, examples and descriptions of its evaluation."""
