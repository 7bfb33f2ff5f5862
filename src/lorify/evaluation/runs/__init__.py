"""Running methods on a suite, timing them, and the run folder."""
