"""Generated documents full of invented facts, with questions."""
