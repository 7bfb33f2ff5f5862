"""Meta-training: data, losses, the loop."""
