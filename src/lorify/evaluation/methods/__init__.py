"""Methods: how questions are answered."""
