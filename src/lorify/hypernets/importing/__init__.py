"""What imports of other projects' checkpoints share."""
