"""The frozen language model: files, loading, chat prompts, its linear layers, decoding."""
