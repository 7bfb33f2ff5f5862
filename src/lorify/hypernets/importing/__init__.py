"""Code that imports of other projects' checkpoints share."""
