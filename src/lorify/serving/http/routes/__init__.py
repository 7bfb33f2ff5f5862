"""HTTP routes, one file a theme."""
