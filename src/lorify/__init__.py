"""lorify: documents and task descriptions become LoRA adapters in one forward pass of a hypernetwork."""
