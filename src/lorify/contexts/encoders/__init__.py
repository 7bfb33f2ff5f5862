"""Context encoders: features of text and images that a hypernetwork reads."""
