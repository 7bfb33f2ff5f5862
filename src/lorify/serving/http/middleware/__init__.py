"""What every request passes before a route sees it: its key, limits, origins and connections."""
