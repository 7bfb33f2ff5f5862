"""Serving: documents become adapters, kept and owned, behind the API people already use."""
