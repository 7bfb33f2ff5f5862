"""Commands of `lorify`, one file a theme; each is a few lines over the Python API."""
