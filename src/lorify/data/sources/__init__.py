"""Data from files and public data sets, and the generated needles."""
