"""Training of a LoRA that answers from a document in the prompt: the baseline for adapters."""
