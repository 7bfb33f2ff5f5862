"""Adapters of owners: created at once or in jobs, changed, and lent to requests."""
