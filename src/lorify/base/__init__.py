"""The frozen base model: its files, loading, chat prompts, linear layers, LoRA hooks and decoding."""
